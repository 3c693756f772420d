// Command releasecheck reads a GoReleaser configuration as GoReleaser itself does, which refuses every key that it does
// not know, and prints it as JSON with all anchors resolved.
//
//	releasecheck FILE
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "releasecheck:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) != 1 {
		return errors.New("name a configuration")
	}
	project, err := config.Load(args[0])
	if err != nil {
		return err
	}
	if project.Version != 2 {
		return fmt.Errorf("version is %d, want 2", project.Version)
	}
	text, err := json.MarshalIndent(project, "", "  ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

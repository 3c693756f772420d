// Command cliref writes what the documentation shows of the command line: docs/reference/cli.md, from the commands
// themselves, and in every page the output below `$ meridian plan …`, which depends on nothing but the command.
// `make generate` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/meridian-commerce/meridian/internal/deploy"
)

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	files, err := render(context.Background(), *root)
	if err == nil {
		err = deploy.Write(*root, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cliref:", err)
		os.Exit(1)
	}
}

// render returns the pages as they should be.
func render(ctx context.Context, root string) ([]deploy.File, error) {
	files, err := pages(ctx, root)
	return append(files, deploy.File{Path: "docs/reference/cli.md", Content: []byte(reference())}), err
}

// Command cliref writes what the documentation shows of the command line: docs/reference/cli.md, from the commands
// themselves, and in every page the output below `$ meridian plan …`, which depends on nothing but the command.
// `make generate` runs it; with -check it writes nothing and fails when a page is stale.
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
	check := flag.Bool("check", false, "write nothing; fail when a page is stale")
	flag.Parse()
	if err := run(context.Background(), *root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "cliref:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, check bool) error {
	files, err := pages(ctx, root)
	if err != nil {
		return err
	}
	files = append(files, deploy.File{Path: "docs/reference/cli.md", Content: []byte(reference())})
	if !check {
		return deploy.Write(root, files)
	}
	stale, err := deploy.Stale(root, files)
	if err == nil && len(stale) > 0 {
		err = fmt.Errorf("stale, run `make generate`: %v", stale)
	}
	return err
}

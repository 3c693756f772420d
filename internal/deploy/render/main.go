// Command render writes every deployment file that is generated from the region catalog; `make generate` runs it.
// With -check it writes nothing and fails when a file is not what the catalog renders.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/compose"
	"github.com/meridian-commerce/meridian/internal/deploy/kubernetes"
	"github.com/meridian-commerce/meridian/internal/deploy/prometheus"
	"github.com/meridian-commerce/meridian/regions"
)

// renderers returns the rooms that render files, one line each.
func renderers() []func(*regions.Set) ([]deploy.File, error) {
	return []func(*regions.Set) ([]deploy.File, error){
		compose.Render,
		kubernetes.Render,
		prometheus.Render,
	}
}

func main() {
	root := flag.String("root", ".", "root of the repository")
	catalog := flag.String("regions", "", "region catalog; default: the one under root")
	check := flag.Bool("check", false, "write nothing; fail when a file is stale")
	flag.Parse()
	if *catalog == "" {
		*catalog = *root + "/regions/regions.yaml"
	}
	if err := run(*root, *catalog, *check); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(root, catalog string, check bool) error {
	c, err := regions.Load(catalog)
	if err != nil {
		return err
	}
	var files []deploy.File
	for _, render := range renderers() {
		part, err := render(c)
		if err != nil {
			return err
		}
		files = append(files, part...)
	}
	if !check {
		return deploy.Write(root, files)
	}
	stale, err := deploy.Stale(root, files)
	if err == nil && len(stale) > 0 {
		err = fmt.Errorf("stale, run `make generate`: %v", stale)
	}
	return err
}

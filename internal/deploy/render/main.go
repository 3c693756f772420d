// Command render writes every deployment file that is generated, from the region catalog or from Prometheus's rules;
// `make generate` runs it.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/compose"
	"github.com/meridian-commerce/meridian/internal/deploy/kubernetes"
	"github.com/meridian-commerce/meridian/internal/deploy/prometheus"
	"github.com/meridian-commerce/meridian/regions"
)

// renderers returns the rooms that render files.
func renderers(root fs.FS) []func(*regions.Set) ([]deploy.File, error) {
	return []func(*regions.Set) ([]deploy.File, error){
		compose.Render,
		kubernetes.Render,
		func(c *regions.Set) ([]deploy.File, error) { return prometheus.Render(c, root) },
	}
}

func main() {
	root := flag.String("root", ".", "root of the repository")
	catalog := flag.String("regions", "", "region catalog; default: the one under root")
	flag.Parse()
	if *catalog == "" {
		*catalog = *root + "/regions/regions.yaml"
	}
	files, err := render(*root, *catalog)
	if err == nil {
		err = deploy.Write(*root, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func render(root, catalog string) ([]deploy.File, error) {
	c, err := regions.Load(catalog)
	if err != nil {
		return nil, err
	}
	var files []deploy.File
	for _, room := range renderers(os.DirFS(root)) {
		part, err := room(c)
		if err != nil {
			return nil, err
		}
		files = append(files, part...)
	}
	return files, nil
}

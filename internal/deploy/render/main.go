// Command render writes every deployment file that is generated from the region catalog; `make generate` runs it.
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
	flag.Parse()
	if *catalog == "" {
		*catalog = *root + "/regions/regions.yaml"
	}
	files, err := render(*catalog)
	if err == nil {
		err = deploy.Write(*root, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func render(catalog string) ([]deploy.File, error) {
	c, err := regions.Load(catalog)
	if err != nil {
		return nil, err
	}
	var files []deploy.File
	for _, room := range renderers() {
		part, err := room(c)
		if err != nil {
			return nil, err
		}
		files = append(files, part...)
	}
	return files, nil
}

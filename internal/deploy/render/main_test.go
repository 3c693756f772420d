package main

import (
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

func TestGeneratedDeploymentFilesAreFresh(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	files, err := render(root, root+"/regions/regions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if stale := deploytest.Stale(t, root, files); len(stale) > 0 {
		t.Errorf("stale, run `make generate`: %v", stale)
	}
}

package main

import (
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

func TestGeneratedDeploymentFilesAreFresh(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	if err := run(root, root+"/regions/regions.yaml", true); err != nil {
		t.Error(err)
	}
}

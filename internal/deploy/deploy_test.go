package deploy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

func TestStaleFindsWhatWriteWouldChange(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	files := []deploy.File{{Path: "deploy/a.yaml", Content: []byte("a")}, {Path: "b.yaml", Content: []byte("b")}}
	if err := deploy.Write(root, files[:1]); err != nil {
		t.Fatal(err)
	}
	files[0].Content = []byte("changed")
	if diff := cmp.Diff([]string{"deploy/a.yaml", "b.yaml"}, deploytest.Stale(t, root, files)); diff != "" {
		t.Error(diff)
	}
	if err := deploy.Write(root, files); err != nil {
		t.Fatal(err)
	}
	if stale := deploytest.Stale(t, root, files); len(stale) != 0 {
		t.Errorf("after Write still stale: %v", stale)
	}
}

// Package deploy holds what the deployment files have in common. Everything that names a region outside Go and
// Terraform (compose file, Kubernetes overlays, alerts) is generated from the region catalog: each room
// below renders its part as a list of files, `make generate` writes them, and `make fresh` fails when a committed
// file is not what the catalog renders.
package deploy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// File is one generated file.
type File struct {
	Path    string // from the root of the repository, with slashes
	Content []byte
}

// Write writes files below root, making folders as needed. Files that are as they should be are not touched.
func Write(root string, files []File) error {
	for _, f := range files {
		name := filepath.Join(root, filepath.FromSlash(f.Path))
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, f.Content) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if err := os.WriteFile(name, f.Content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return nil
}

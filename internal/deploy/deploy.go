// Package deploy holds what the deployment files have in common. Everything that names a region outside Go and
// Terraform (compose file, Kubernetes overlays, alerts) is generated from the region catalog: each room
// below renders its part as a list of files, `make generate` writes them, and `make fresh` fails when a committed
// file is not what the catalog renders.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
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

// Stale returns the paths of those files that are missing below root or differ there, in the order of files.
func Stale(root string, files []File) ([]string, error) {
	var out []string
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, f.Path)
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", f.Path, err)
		case !bytes.Equal(old, f.Content):
			out = append(out, f.Path)
		}
	}
	return out, nil
}

// Package deploytest helps the tests of the deployment files: where the repository and the pinned tools are, a copy
// of the tree to plant mistakes in, and a catalog with a fourth region.
package deploytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

// Root returns the repository's root.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above the working directory (%v)", err)
	return ""
}

// Tool returns the file of a pinned tool. `make` says in TOOLS_BIN where tools are, and then a missing one fails the
// test; otherwise it is looked for in the cache, and the test is skipped without it.
func Tool(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TOOLS_BIN")
	required := dir != ""
	if !required {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip("no cache folder: ", err)
		}
		dir = filepath.Join(cache, "meridian", "bin")
	}
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err != nil {
		if required {
			t.Fatal(err)
		}
		t.Skipf("%s is not built; `make tools` builds it", name)
	}
	return file
}

// Module returns where the version of a module is that the go.mod of a folder of the repository pins. Go downloads it where it is
// not; without it the test is skipped, or fails where tools are required.
func Module(t testing.TB, folder, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = filepath.Join(Root(t), folder)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	text, err := cmd.Output()
	var found struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	switch {
	case err == nil:
		return found.Dir
	case os.Getenv("TOOLS_BIN") == "":
		t.Skipf("%s is not at hand: %v", module, err)
	default:
		t.Fatalf("download %s: %v: %s", module, err, text)
	}
	return ""
}

// Run runs a program in dir and returns what it printed, and its error.
func Run(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Copy copies the named files and folders of the repository to a temporary folder that a test may change, at the
// same paths, and returns its root.
func Copy(t testing.TB, names ...string) string {
	t.Helper()
	root := Root(t)
	out := t.TempDir()
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return write(filepath.Join(out, strings.TrimPrefix(file, root)), text)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Replace replaces the one occurrence of old in a file, and fails the test when there is not exactly one: a mistake
// that was not planted would be found by no check.
func Replace(t testing.TB, file, old, with string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), old); n != 1 {
		t.Fatalf("%s holds %q %d times, want once", file, old, n)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Stale returns the paths of those files that are missing below root or differ there, in the order of files.
func Stale(t testing.TB, root string, files []deploy.File) []string {
	t.Helper()
	var out []string
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err != nil || !bytes.Equal(old, f.Content) {
			out = append(out, f.Path)
		}
	}
	return out
}

const fourth = `  - name: sa-east-1
    code: sa1
    place: {city: São Paulo, country: BR, lat: -23.55, lon: -46.63}
    zones: {aws: [sa-east-1a, sa-east-1b, sa-east-1c]}
    residency: americas
    continents: []
    countries: [UY]
    loopback: 127.0.4.0/24
# A residency group`

// FourRegions returns the shipped catalog's text with a fourth region, sa-east-1, as an operator would add it.
func FourRegions(t testing.TB) []byte {
	t.Helper()
	text := string(regions.DefaultYAML())
	if strings.Count(text, "# A residency group") != 1 {
		t.Fatal("the catalog has no place for a fourth region")
	}
	return []byte(strings.Replace(text, "# A residency group", fourth, 1))
}

func write(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

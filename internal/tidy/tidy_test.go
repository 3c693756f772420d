package tidy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

func TestRepositoryKeepsItsRules(t *testing.T) {
	t.Parallel()
	files := repository(t)
	for name, rule := range Rules() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, finding := range rule(files) {
				t.Error(finding)
			}
		})
	}
}

// TestShellScripts runs shellcheck, which tools/prepare installs, over every script.
func TestShellScripts(t *testing.T) {
	t.Parallel()
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		if os.Getenv("MERIDIAN_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip("no shellcheck; `make deps-tests` installs it")
	}
	root := deploytest.Root(t)
	args := []string{"--"}
	for _, f := range repository(t) {
		if f.isShell() {
			args = append(args, filepath.Join(root, f.Path))
		}
	}
	if out, err := deploytest.Run(t.Context(), root, shellcheck, args...); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
	planted := filepath.Join(t.TempDir(), "planted")
	if err := os.WriteFile(planted, []byte("#!/bin/sh\nset -eu\nrm -r $1/*\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := deploytest.Run(t.Context(), root, shellcheck, planted); err == nil {
		t.Error("shellcheck finds nothing in a script that removes what its argument does not quote")
	}
}

// TestGeneratedFilesAreFresh generates into a temporary folder what `make generate` writes, and compares.
// `make` names the folder of the pinned tools in TOOLS_BIN; otherwise they are looked for where it puts them.
func TestGeneratedFilesAreFresh(t *testing.T) {
	t.Parallel()
	buf := deploytest.Tool(t, "buf")
	root, out := deploytest.Root(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), buf, "generate", "--output", out)
	cmd.Dir = filepath.Join(root, "api")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("buf generate: %v\n%s", err, text)
	}
	want, got := folder(t, filepath.Join(out, "gen")), folder(t, filepath.Join(root, "api", "gen"))
	if len(want) == 0 {
		t.Fatal("buf generated nothing")
	}
	if diff := staleFiles(want, got); len(diff) > 0 {
		t.Errorf("api/gen is stale, run `make generate`:\n%s", strings.Join(diff, "\n"))
	}
}

func TestStaleFiles(t *testing.T) {
	t.Parallel()
	want := map[string]string{"same.go": "1", "changed.go": "1", "missing.go": "1"}
	got := map[string]string{"same.go": "1", "changed.go": "2", "extra.go": "1"}
	if diff := cmp.Diff([]string{"changed.go", "extra.go", "missing.go"}, staleFiles(want, got)); diff != "" {
		t.Error(diff)
	}
}

// staleFiles returns the names of the files that differ or are in one folder only, sorted.
func staleFiles(want, got map[string]string) []string {
	var out []string
	for name, text := range want {
		if other, ok := got[name]; !ok || other != text {
			out = append(out, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// repository reads every file that git tracks or would add. It walks the folders itself besides asking git,
// so that a cached test result is discarded when a file appears.
func repository(t *testing.T) []File {
	t.Helper()
	root := deploytest.Root(t)
	known := map[string]bool{}
	for name := range bytes.SplitSeq(gitFiles(t, root), []byte{0}) {
		known[string(name)] = true
	}
	var files []File
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a temporary file of another process
			return nil
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || name == "bin" || name == "out"):
			return fs.SkipDir
		case !d.Type().IsRegular() || !known[name]:
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		files = append(files, File{Path: name, Content: text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("git knows only %d files of this repository", len(files))
	}
	return files
}

func gitFiles(t *testing.T, root string) []byte {
	t.Helper()
	// A clone that belongs to another user is as good as one's own for listing files.
	cmd := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*",
		"ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("git ls-files: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("git ls-files: %v", err)
	}
	return out
}

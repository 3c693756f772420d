package infrastructure

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// unformatted returns the files below root/terraform that the formatter would write otherwise.
func unformatted(t *testing.T, root string) []string {
	t.Helper()
	tool := deploytest.Tool(t, "hclfmt")
	var out []string
	seen := 0
	err := filepath.WalkDir(filepath.Join(root, "terraform"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".tf", ".hcl", ".tfvars"}, filepath.Ext(file)) {
			return err
		}
		seen++
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		formatted, err := deploytest.Run(t.Context(), root, tool, file)
		if err != nil {
			return err
		}
		if formatted != string(text) {
			out = append(out, filepath.Base(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 40 {
		t.Fatalf("%d files, which are too few to be all", seen)
	}
	return out
}

func TestFormat(t *testing.T) {
	t.Parallel()
	if files := unformatted(t, deploytest.Root(t)); len(files) > 0 {
		t.Errorf("not formatted, run `terraform fmt -recursive terraform`: %v", files)
	}
	root := deploytest.Copy(t, "terraform")
	deploytest.Replace(t, filepath.Join(root, "terraform/modules/cdn/main.tf"), "  enabled         = true\n", "  enabled = true\n")
	if files := unformatted(t, root); !slices.Equal(files, []string{"main.tf"}) {
		t.Errorf("%v, want the file that was put out of form", files)
	}
}

func TestTerraformFormat(t *testing.T) {
	t.Parallel()
	tool := terraform(t)
	dir := filepath.Join(deploytest.Root(t), "terraform")
	if out, err := deploytest.Run(t.Context(), dir, tool, "fmt", "-check", "-recursive", "-diff"); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
}

// TestLint runs tflint with the rules that it brings along, and shows that it finds what is declared for nothing.
func TestLint(t *testing.T) {
	t.Parallel()
	tool := deploytest.Tool(t, "tflint")
	lint := func(root string) (string, error) {
		dir := filepath.Join(root, "terraform")
		return deploytest.Run(t.Context(), dir, tool, "--recursive", "--no-color", "--config="+filepath.Join(dir, ".tflint.hcl"))
	}
	if out, err := lint(deploytest.Root(t)); err != nil {
		t.Errorf("tflint: %v\n%s", err, out)
	}
	root := copied(t)
	deploytest.Replace(t, filepath.Join(root, "terraform/modules/network/variables.tf"), "variable \"name\" {", "variable \"nobody_reads_this\" {\n  description = \"Nothing.\"\n  type        = string\n}\n\nvariable \"name\" {")
	if out, err := lint(root); err == nil || !strings.Contains(out, `variable "nobody_reads_this" is declared but not used`) {
		t.Errorf("tflint: %v\n%s", err, out)
	}
}

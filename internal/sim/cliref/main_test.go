package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

func TestGeneratedReferenceIsFresh(t *testing.T) {
	t.Parallel()
	if pages := stale(t, deploytest.Root(t)); len(pages) > 0 {
		t.Errorf("stale, run `make generate`: %v", pages)
	}
}

// stale returns the pages that are not as they should be.
func stale(t *testing.T, root string) []string {
	t.Helper()
	files, err := render(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return deploytest.Stale(t, root, files)
}

func TestReferenceNamesEveryCommand(t *testing.T) {
	t.Parallel()
	text := reference()
	for _, want := range []string{
		"\n## `meridian`", "\n### `meridian plan [flags]`", "\n#### `meridian route explain [flags]`", "\n## `meridian-sim`",
		"\n#### `meridian-sim drill kill-region [flags]`", "| `--growth string` | `1x` |", "[configuration](configuration.md)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference lacks %q", want)
		}
	}
	for _, unwanted := range []string{"--database.url", "meridian-sim gateway", "completion"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("the reference has %q", unwanted)
		}
	}
}

func TestStalePagesAreFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	page := filepath.Join(root, "docs", "explanation", "page.md")
	if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
		t.Fatal(err)
	}
	const before = "# Page\n\n```console\n$ meridian plan --orders-per-second 5 \\\n    --output json\nold\n```\n\n```console\n$ meridian version\nkept\n```\n"
	if err := os.WriteFile(page, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"docs/explanation/page.md", "docs/reference/cli.md"}, stale(t, root)); diff != "" {
		t.Fatal(diff)
	}
	files, err := render(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(root, files); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil || strings.Contains(string(text), "old\n") || !strings.Contains(string(text), `"orders_per_second": 5,`) || !strings.Contains(string(text), "kept\n") {
		t.Errorf("%v, the page is now:\n%s", err, text)
	}
	if pages := stale(t, root); len(pages) > 0 {
		t.Errorf("after it was written: %v", pages)
	}
}

func TestAPageWithACommandThatFails(t *testing.T) {
	t.Parallel()
	for page, says := range map[string]string{
		"```console\n$ meridian plan --no-such-flag\n```":                   "no-such-flag",
		"```console\n$ meridian plan --traffic docs/none.csv\n```":          "docs/none.csv",
		"```console\n$ meridian plan --orders-per-second 1 --growth 0\n```": "PLAN_INVALID",
	} {
		if _, err := refresh(t.Context(), t.TempDir(), page); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", page, err)
		}
	}
	text, err := refresh(t.Context(), t.TempDir(), "```console\n$ meridian plan --orders-per-second 1 --regions us-east-1,eu-west-1\n```")
	if err != nil || !strings.Contains(text, "PLAN_REFUSED") {
		t.Errorf("a plan that is refused: %v\n%s", err, text)
	}
}

func TestCommandsThatTheDocumentationNamesExist(t *testing.T) {
	t.Parallel()
	wrong, err := mentions(deploytest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

func TestCommandsThatDoNotExistAreFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "docs", "how-to"), 0o755); err != nil {
		t.Fatal(err)
	}
	page := "`meridian plan --growth 3x`, `meridian-sim drill overload --seed N`, `meridian` and meridian fly are not all.\n" +
		"```\n$ bin/meridian-sim kill eu-west-1 && meridian-sim heal eu-west-1   # meridian dance\nmeridian region drain eu-west-1 \\\n  --for 30m --database.url=x\n```\n"
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(root, "docs", "how-to", "page.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(page)
	if wrong, err := mentions(root); err != nil || len(wrong) > 0 {
		t.Fatalf("%q, %v", wrong, err)
	}
	for planted, says := range map[string]string{
		"`meridian fly`":                             "there is no fly",
		"`meridian route explore`":                   "there is no explore",
		"`bin/meridian-sim load --rates 5`":          "no flag --rates",
		"```\nmeridian serve \\\n  --regions=x\n```": "no flag --regions",
	} {
		write(page + planted + "\n")
		if wrong, err := mentions(root); err != nil || len(wrong) != 1 || !strings.Contains(wrong[0], says) {
			t.Errorf("%s: %q, %v", planted, wrong, err)
		}
	}
}

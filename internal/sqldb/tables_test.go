package sqldb_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTutorialMovesEveryTable holds the list of tables that are copied from one engine to the other to the migrations. Leases
// are taken anew.
func TestTutorialMovesEveryTable(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile(filepath.Join("testdata", "postgresql.golden.sql"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorials", "from-postgresql-to-cockroachdb.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`).FindAllStringSubmatch(string(schema), -1) {
		if m[1] != "leases" {
			want = append(want, m[1])
		}
	}
	list := regexp.MustCompile(`(?s)\ntables='(.*?)'`).FindStringSubmatch(string(page))
	if list == nil || len(want) < 20 {
		t.Fatalf("the page has %q, the schema %v", list, want)
	}
	got := strings.Fields(list[1])
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

package tidy

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// TestDomainsSeeNoTechnology plants imports in a module of the same name and expects depguard to find those in the
// domains, and no others. That the real ones have none is for `make lint`. What is imported is empty but for its name,
// which is all that depguard looks at: there is nothing to load.
func TestDomainsSeeNoTechnology(t *testing.T) {
	t.Parallel()
	lint, root, dir := deploytest.Tool(t, "golangci-lint"), deploytest.Root(t), t.TempDir()
	module := "module " + Module + "\n\ngo 1.26\n"
	for imported, name := range map[string]string{
		"github.com/jackc/pgx/v5": "", "github.com/prometheus/client_golang": "prometheus", "github.com/redis/go-redis/v9": "",
	} {
		module += fmt.Sprintf("\nrequire %[1]s v%[2]s\n\nreplace %[1]s => ./empty/%[1]s\n", imported, version(imported))
		plant(t, dir, "empty/"+imported+"/go.mod", "module "+imported+"\n")
		plant(t, dir, "empty/"+imported+"/"+name+"/empty.go", "package empty\n")
	}
	plant(t, dir, "go.mod", module)
	technologies := []string{"database/sql", "net/http", "github.com/jackc/pgx/v5", "github.com/prometheus/client_golang/prometheus", "github.com/redis/go-redis/v9"}
	var want []string
	for domain := range strings.FieldsSeq(named(t, "{domain}")) {
		folder := "internal/" + domain
		code := "package planted\n\n"
		for _, technology := range technologies {
			code += fmt.Sprintf("import _ %q\n", technology)
			want = append(want, folder+" "+technology)
		}
		plant(t, dir, folder+"/planted.go", code)
		plant(t, dir, folder+"/planted_test.go", code)
		plant(t, dir, folder+"/"+domain+"sql/planted.go", "package planted\n\nimport _ \"github.com/jackc/pgx/v5\"\n")
	}
	plant(t, dir, "internal/checkout/planted.go", "package planted\n\nimport _ \"os\"\nimport _ \"time\"\n")
	for _, technology := range []string{"os", "time"} {
		want = append(want, "internal/checkout "+technology)
	}
	cmd := exec.CommandContext(t.Context(), lint, "run", "--allow-parallel-runners", "--config", filepath.Join(root, ".golangci.yml"),
		"--enable-only", "depguard", "--show-stats=false", "--output.text.print-issued-lines=false", "--max-same-issues=0", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOLANGCI_LINT_CACHE="+t.TempDir())
	text, _ := cmd.Output() // that it finds something is its exit status
	var got []string
	for line := range strings.Lines(string(text)) {
		if at, rest, ok := strings.Cut(line, ": import '"); ok && (strings.Contains(line, "list 'domains'") || strings.Contains(line, "list 'pricing'")) {
			technology, _, _ := strings.Cut(rest, "'")
			file, _, _ := strings.Cut(at, ":")
			got = append(got, path.Join("internal", path.Base(path.Dir(file)))+" "+technology)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("found %q, want %q, by\n%s", got, want, text)
	}
}

// version returns one that a module of a path may have.
func version(module string) string {
	if major, ok := strings.CutPrefix(path.Base(module), "v"); ok {
		return major + ".0.0"
	}
	return "1.0.0"
}

// named returns a list that the room table names.
func named(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(roomTable) {
		if key, list, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == name {
			return list
		}
	}
	t.Fatalf("the room table names no %s", name)
	return ""
}

func plant(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// notShipped is what stands for a part of the world in the simulator and in tests. Paths are prefixes.
var notShipped = []string{
	"github.com/Shopify/toxiproxy",
	"github.com/twmb/franz-go/pkg/kfake",
	"github.com/anishathalye/porcupine",
	"github.com/letsencrypt/pebble",
	"github.com/letsencrypt/challtestsrv",
	"github.com/HdrHistogram",
	"github.com/google/go-cmp",
	"pgregory.net/rapid",
	"net/http/httptest",
	Module + "/internal/sim",
	Module + "/internal/deploy",
}

// shipped returns those packages of an import graph that belong to the simulator or to tests.
func shipped(graph []string) (found []string) {
	for _, imported := range graph {
		support := strings.HasPrefix(imported, Module+"/") && strings.HasSuffix(imported, "test")
		if support || slices.ContainsFunc(notShipped, func(prefix string) bool { return imported == prefix || strings.HasPrefix(imported, prefix+"/") }) {
			found = append(found, imported)
		}
	}
	return found
}

// TestProductShipsNoSimulator walks the import graph of what ships. The simulator's own graph is the planted violation:
// all that it is made of must be found there.
func TestProductShipsNoSimulator(t *testing.T) {
	t.Parallel()
	graph := func(command string) []string {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", command)
		cmd.Dir = deploytest.Root(t)
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %s: %v", command, err)
		}
		return strings.Fields(string(text))
	}
	if found := shipped(graph("./cmd/meridian")); len(found) > 0 {
		t.Errorf("cmd/meridian ships %q", found)
	}
	found := shipped(graph("./cmd/meridian-sim"))
	for _, planted := range []string{
		"github.com/Shopify/toxiproxy/v2", "github.com/twmb/franz-go/pkg/kfake", "github.com/anishathalye/porcupine",
		Module + "/internal/sim/cli",
	} {
		if !slices.Contains(found, planted) {
			t.Errorf("%s of cmd/meridian-sim is not found: %q", planted, found)
		}
	}
	if got := shipped([]string{"net/http", Module + "/internal/sqldb", Module + "/internal/sqldb/sqltest", "github.com/letsencrypt/pebble/v2/ca"}); len(got) != 2 {
		t.Errorf("of two planted packages, found %q", got)
	}
}

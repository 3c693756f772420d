package tidy

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// untested lists the packages that have no test file, and why not.
func untested() map[string]string {
	return map[string]string{
		"cmd/meridian":                         "a thin main over internal/cli, which has tests",
		"cmd/meridian-sim":                     "a thin main over internal/sim/cli, which has tests",
		"internal/credentials/credentialstest": "servers and certificates for tests: every test of how a process gets into a server runs on it",
		"internal/redis/redistest":             "servers for tests: the tests of every cache run on it",
		"internal/deploy/deploytest":           "support for tests: the tests of every deployment room run on it",
		"internal/sim":                         "one page of documentation; its rooms have the code and the tests",
		"internal/sim/load/shoptest":           "a fake shop: the tests of internal/sim/load run on it, its bugs included",
		"internal/sim/scenario/scenariotest":   "a fake simulation: the tests of internal/sim/scenario and of every scenario run on it",
		"internal/sim/scenarios":               "a list: internal/sim/commands makes commands of it, and each drill in it has tests",
		"internal/sqldb/sqltest":               "databases for tests: every store's tests run on it",
		"migrations":                           "embedded files: internal/sqldb renders them to golden files and applies them",
	}
}

// PackagesWithTests wants a test file beside every package, or a reason in the list of exceptions. An
// exception that no longer holds is a finding too.
func PackagesWithTests(files []File) []Finding { return packagesWithTests(files, untested()) }

func packagesWithTests(files []File, excepted map[string]string) []Finding {
	written, tested := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		switch dir := path.Dir(f.Path); {
		case !f.inModule() || f.isData():
		case f.isTest():
			tested[dir] = true
		case !f.isGenerated():
			written[dir] = true
		}
	}
	var out []Finding
	for _, dir := range slices.Sorted(maps.Keys(written)) {
		switch reason, ok := excepted[dir]; {
		case tested[dir] && ok:
			out = append(out, Finding{dir, 0, "has tests now, but is excepted: " + reason})
		case !tested[dir] && !ok:
			out = append(out, Finding{dir, 0, "has no test file and no reason in internal/tidy for having none"})
		}
	}
	return out
}

// fixedModules returns the libraries that the architecture settled on, each for the part it stands for: another
// choice is an architecture decision, not a dependency update.
func fixedModules() map[string]string {
	return map[string]string{
		"connectrpc.com/connect":                  "the API protocol",
		"github.com/Shopify/toxiproxy/v2":         "the simulation's WAN",
		"github.com/hashicorp/consul/api":         "discovery",
		"github.com/jackc/pgx/v5":                 "SQL",
		"github.com/oschwald/maxminddb-golang/v2": "GeoIP",
		"github.com/pressly/goose/v3":             "migrations",
		"github.com/prometheus/client_golang":     "metrics",
		"github.com/redis/go-redis/v9":            "the region's Redis",
		"github.com/spf13/cobra":                  "command lines",
		"github.com/twmb/franz-go":                "the event bus",
		"github.com/twmb/franz-go/pkg/kfake":      "the event bus of a laptop",
		"go.opentelemetry.io/otel":                "traces",
		"pgregory.net/rapid":                      "property tests",
	}
}

// FixedModules wants the architecture's libraries in go.mod.
func FixedModules(files []File) []Finding {
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == "go.mod" })
	if i < 0 {
		return []Finding{{"go.mod", 0, "is missing"}}
	}
	var out []Finding
	for _, m := range slices.Sorted(maps.Keys(fixedModules())) {
		if !regexp.MustCompile(`(?m)^\s*(require\s+)?` + regexp.QuoteMeta(m) + ` v\S+`).Match(files[i].Content) {
			out = append(out, Finding{"go.mod", 0, strings.Join([]string{m, "is missing:", fixedModules()[m]}, " ")})
		}
	}
	return out
}

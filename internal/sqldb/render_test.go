package sqldb_test

import (
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

var (
	update  = flag.Bool("update", false, "rewrite the golden files")
	discard = slog.New(slog.DiscardHandler)
)

func fourRegions() []byte {
	const fourth = `  - name: sa-east-1
    code: sa1
    place: {city: São Paulo, country: BR, lat: -23.55, lon: -46.63}
    zones: {aws: [sa-east-1a]}
    residency: americas
    continents: []
    countries: []
    loopback: 127.0.4.0/24
# Round trips`
	return []byte(strings.Replace(string(regions.DefaultYAML()), "# Round trips", fourth, 1))
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for _, engine := range []sqldb.Engine{sqldb.CockroachDB, sqldb.PostgreSQL} {
		files, err := sqldb.Render(engine)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		names, err := fs.Glob(files, "*.sql")
		if err != nil || len(names) == 0 {
			t.Fatalf("%d migrations: %v", len(names), err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), ";") != 1 {
				t.Errorf("%s holds %d statements, not one", name, strings.Count(string(text), ";"))
			}
			all.WriteString("-- " + name + "\n" + string(text))
		}
		golden := filepath.Join("testdata", string(engine)+".golden.sql")
		if *update {
			if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), all.String()); diff != "" {
			t.Errorf("%s (go test ./internal/sqldb -update rewrites it):\n%s", golden, diff)
		}
	}
}

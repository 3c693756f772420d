package infrastructure

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/regions"
)

// setting returns the value that a deployment file gives where pattern's group stands.
func setting(t *testing.T, file, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s does not set %s", file, pattern)
	}
	return string(m[1])
}

// lead is how far ahead GLOBAL rows must be written for every region to read them at home: docs/explanation/locality-model.md.
func lead(c *regions.Set, offset time.Duration) time.Duration {
	primary := c.All()[0].Name
	var farthest time.Duration
	for _, r := range c.All() {
		farthest = max(farthest, c.RTT(primary, r.Name))
	}
	return offset + farthest*3/2 + 45*time.Millisecond
}

// TestGlobalReadsStayAtHome holds the clocks' bound and the lead of GLOBAL rows, on AWS and in Compose, to the catalog's
// round trips.
func TestGlobalReadsStayAtHome(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]struct{ nodes, sql string }{
		"AWS":     {"terraform/modules/database/templates/node.yaml.tftpl", "terraform/modules/database/templates/bootstrap.sql.tftpl"},
		"Compose": {"docker-compose.multiregion.yml", "deploy/compose/cockroach-init.sh"},
	} {
		offset, err := time.ParseDuration(setting(t, files.nodes, `--max-offset=(\S+)`))
		if err != nil {
			t.Fatal(err)
		}
		given, err := time.ParseDuration(setting(t, files.sql, `lead_for_global_reads_override = '([^']+)'`))
		if err != nil {
			t.Fatal(err)
		}
		need := lead(regions.Default(), offset)
		// A lead that is much longer than needed is paid by every write of a GLOBAL row.
		if given < need || given > need+100*time.Millisecond {
			t.Errorf("%s: a lead of %v, and the regions need %v", name, given, need)
		}
	}
	if lead(regions.Default(), 500*time.Millisecond) <= 650*time.Millisecond {
		t.Error("CockroachDB's default for the clocks would pass with this lead")
	}
}

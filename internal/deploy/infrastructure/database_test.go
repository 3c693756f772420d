package infrastructure

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// TestSchedulesAreWatched: each schedule of backups, the bootstrap's and those that the how-to tells to make, keeps the metric
// that the alerts look at.
func TestSchedulesAreWatched(t *testing.T) {
	t.Parallel()
	schedule := regexp.MustCompile(`(?s)CREATE SCHEDULE [^;]*;`)
	for file, schedules := range map[string]int{
		"docs/how-to/back-up-and-restore.md": 2, "terraform/modules/database/templates/bootstrap.sql.tftpl": 1,
	} {
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		found := schedule.FindAllString(string(text), -1)
		if len(found) != schedules {
			t.Errorf("%s makes %d schedules, want %d", file, len(found), schedules)
		}
		for _, s := range found {
			if !strings.Contains(s, "updates_cluster_last_backup_time_metric") {
				t.Errorf("%s: no alert would know of %s", file, s)
			}
		}
	}
}

// TestBootstrapLeavesMigrateWhatItNeeds: `meridian migrate` runs as meridian_owner, who owns the database and so may make
// tables and declare regions. The bootstrap grants no USAGE on schema public, and migrate grants none on CockroachDB:
// every role has it there from the start, and the schema is root's, so that the owner could not pass it on. Hence
// nothing may take away from public, or from everybody, what they begin with.
func TestBootstrapLeavesMigrateWhatItNeeds(t *testing.T) {
	t.Parallel()
	const file = "terraform/modules/database/templates/bootstrap.sql.tftpl"
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"CREATE USER IF NOT EXISTS meridian_owner;", "ALTER DATABASE meridian OWNER TO meridian_owner;", "GRANT CONNECT ON DATABASE meridian TO meridian;",
	} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("not in the bootstrap: %s", want)
		}
	}
	if taken := takes(string(text)); taken != "" {
		t.Errorf("the bootstrap takes away what migrate needs: %s", taken)
	}
	for _, planted := range []string{"REVOKE CREATE ON SCHEMA public FROM public;", "ALTER SCHEMA public OWNER TO root;"} {
		if takes(planted) == "" {
			t.Errorf("not found: %s", planted)
		}
	}
	// The stacks' and the owner's logins are made for these two users, and the certificates name them.
	for file, pattern := range map[string]string{
		"terraform/modules/database/secrets.tf": `secret = "owner", user = "(meridian_owner)"`,
		"deploy/k8s/migrate/job.yaml":           `MERIDIAN_DATABASE_APP_ROLE, value: (meridian)}`,
	} {
		setting(t, file, pattern)
	}
}

// takes returns the first statement that takes a privilege or the schema from those who have it at the start.
func takes(sql string) string {
	return regexp.MustCompile(`(?mi)^\s*(REVOKE|ALTER SCHEMA|ALTER DEFAULT PRIVILEGES|DROP SCHEMA)\b.*`).FindString(sql)
}

package sqldb

import (
	"io/fs"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

// TestRegionStatements: only what differs is declared.
func TestRegionStatements(t *testing.T) {
	t.Parallel()
	three := []regions.Name{"us-east-1", "eu-west-1", "ap-southeast-1"}
	all := []string{"ap-southeast-1", "eu-west-1", "us-east-1"}
	for name, tc := range map[string]struct {
		have declared
		want []string
	}{
		"nothing yet": {declared{}, []string{
			`ALTER DATABASE "shop" SET PRIMARY REGION "us-east-1"`, `ALTER DATABASE "shop" ADD REGION IF NOT EXISTS "eu-west-1"`,
			`ALTER DATABASE "shop" ADD REGION IF NOT EXISTS "ap-southeast-1"`, `ALTER DATABASE "shop" SURVIVE REGION FAILURE`,
		}},
		"all there":       {declared{"us-east-1", all, "region"}, nil},
		"one more":        {declared{"us-east-1", all[1:], "region"}, []string{`ALTER DATABASE "shop" ADD REGION IF NOT EXISTS "ap-southeast-1"`}},
		"survives a zone": {declared{"us-east-1", all, "zone"}, []string{`ALTER DATABASE "shop" SURVIVE REGION FAILURE`}},
		"another primary": {declared{"eu-west-1", all, "region"}, []string{`ALTER DATABASE "shop" SET PRIMARY REGION "us-east-1"`}},
	} {
		if diff := cmp.Diff(tc.want, tc.have.missing("shop", three)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := (declared{"us-east-1", []string{"us-east-1"}, "zone"}).missing("shop", three[:1]); got != nil {
		t.Errorf("one region: %v", got)
	}
}

// TestGrants: on CockroachDB the owner of the tables, who does not own schema public, may not grant USAGE on it.
func TestGrants(t *testing.T) {
	t.Parallel()
	rows := `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "meridian"`
	if diff := cmp.Diff([]string{rows}, grants(CockroachDB, "meridian")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`GRANT USAGE ON SCHEMA public TO "meridian"`, rows}, grants(PostgreSQL, "meridian")); diff != "" {
		t.Error(diff)
	}
}

// TestQueuesAreCollectedSoon: only indexes of queues are, each by its name in the migrations.
func TestQueuesAreCollectedSoon(t *testing.T) {
	t.Parallel()
	files, err := Render(CockroachDB)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, file := range []string{"00047_outbox_due_sharded.sql", "00048_payments_due_sharded.sql", "00051_orders_pending.sql"} {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`CREATE INDEX (\w+) ON (\w+) \(\w+\) USING HASH`).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("%s makes no hash-sharded index: %s", file, text)
		}
		made["ALTER INDEX "+m[2]+"@"+m[1]+" CONFIGURE ZONE USING gc.ttlseconds = 600"] = true
	}
	for _, s := range collectQueues() {
		if !made[s] {
			t.Errorf("of no such index: %s", s)
		}
		delete(made, s)
	}
	for s := range made {
		t.Errorf("missing: %s", s)
	}
}

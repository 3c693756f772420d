package sqldb

import (
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

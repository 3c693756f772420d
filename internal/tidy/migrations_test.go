package tidy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	for statement, bad := range map[string]bool{
		"CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY, b INT CHECK (b > 0) REFERENCES u (b))": false,
		"CREATE INDEX t_by_a ON t (a)":    false,
		"ALTER TABLE t ADD COLUMN b TEXT": false,
		"ALTER TABLE t ADD COLUMN IF NOT EXISTS b BIGINT NOT NULL DEFAULT 0, ADD COLUMN c TEXT":   false,
		"ALTER TABLE t ALTER COLUMN b DROP NOT NULL":                                              false,
		"-- drop table t; rename it\nCREATE TABLE renamed (dropped TEXT, updated_at TIMESTAMPTZ)": false,
		"DROP TABLE t":                                                                  true,
		"drop index if exists t_by_a":                                                   true,
		"ALTER TABLE t\n  DROP COLUMN b":                                                true,
		"ALTER TABLE t DROP b":                                                          true,
		"ALTER TABLE t DROP CONSTRAINT t_check":                                         true,
		"ALTER TABLE t ALTER b DROP DEFAULT":                                            true,
		"ALTER TABLE t RENAME TO u":                                                     true,
		"ALTER TABLE t RENAME COLUMN a TO b":                                            true,
		"ALTER INDEX t_by_a RENAME TO x":                                                true,
		"ALTER TABLE t ALTER COLUMN a TYPE BIGINT":                                      true,
		"ALTER TABLE t ALTER a SET DATA TYPE BIGINT":                                    true,
		"ALTER TABLE t ALTER COLUMN a SET NOT NULL":                                     true,
		"ALTER TABLE t ADD COLUMN b TEXT NOT NULL":                                      true,
		"ALTER TABLE t ADD b TEXT NOT NULL":                                             true,
		"ALTER TABLE t ADD COLUMN b INT NOT NULL DEFAULT 0, ADD COLUMN c TEXT NOT NULL": true,
		"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)":                                  true,
		"ALTER TABLE t ADD UNIQUE (a)":                                                  true,
		"CREATE UNIQUE INDEX t_by_a ON t (a)":                                           true,
		"UPDATE t SET a = 1":                                                            true,
		"INSERT INTO t (a) VALUES (1)":                                                  true,
	} {
		for mark, forgiven := range map[string]bool{"": false, "-- contract: since v1.4.0\n": true} {
			text := "-- +goose NO TRANSACTION\n-- +goose Up\n" + mark + statement + ";\n"
			if got := len(Migrations(file("migrations/00099_x.sql", text))) > 0; got != (bad && !forgiven) {
				t.Errorf("%q: found %v", text, got)
			}
		}
	}
}

func TestMigrationsFindThePlace(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range Migrations(file("migrations/1.sql", "-- +goose Up\nCREATE TABLE t (a INT);\n-- why\nALTER TABLE t\n  DROP a;\n-- contract: soon\n-- +goose Down\nCREATE TABLE u (a INT);\n")) {
		got = append(got, fmt.Sprint(f.Path, ":", f.Line))
	}
	if diff := cmp.Diff([]string{"migrations/1.sql:7", "migrations/1.sql:6", "migrations/1.sql:4"}, got); diff != "" {
		t.Error(diff)
	}
	for _, other := range []string{"internal/x/1.sql", "migrations/testdata/1.sql", "migrations/x.go"} {
		if found := Migrations(file(other, "DROP TABLE t;")); len(found) > 0 {
			t.Errorf("%s: %v", other, found)
		}
	}
}

package sqldb_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

// TestMigrateGrantsWhatARestoreLost dumps a database without its owner and grants, which is all that CockroachDB's
// RESTORE DATABASE brings back too, and restores it as the owner: the stacks' role is refused until migrate ran.
func TestMigrateGrantsWhatARestoreLost(t *testing.T) {
	t.Parallel()
	admin := sqltest.Empty(t)
	as := func(user, database string) string {
		_, socket, _ := strings.Cut(admin, "?")
		return "postgres://" + user + "@/" + database + "?" + socket
	}
	run := func(url, sql string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(t.Context()) }() // nothing is pending on it
		_, err = conn.Exec(t.Context(), sql)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{
		"CREATE ROLE restored_owner LOGIN", "CREATE ROLE restored_app LOGIN",
		"CREATE DATABASE lost OWNER restored_owner TEMPLATE template0", "CREATE DATABASE restored OWNER restored_owner TEMPLATE template0",
	} {
		must(run(admin, sql))
	}
	must(sqldb.Migrate(t.Context(), as("restored_owner", "lost"), regions.Default(), "restored_app", discard))
	const read = "SELECT count(*) FROM orders"
	must(run(as("restored_app", "lost"), read))

	dump, err := exec.CommandContext(t.Context(), program(t, "pg_dump"), "--no-owner", "--no-privileges", as("restored_owner", "lost")).Output()
	must(err)
	restore := exec.CommandContext(t.Context(), program(t, "psql"), "--quiet", "--set=ON_ERROR_STOP=1", as("restored_owner", "restored"))
	restore.Stdin = strings.NewReader(string(dump))
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	if err := run(as("restored_app", "restored"), read); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Fatalf("before migrate: %v", err)
	}
	must(sqldb.Migrate(t.Context(), as("restored_owner", "restored"), regions.Default(), "restored_app", discard))
	must(run(as("restored_app", "restored"), read))
}

func program(t *testing.T, name string) string {
	t.Helper()
	if file, err := exec.LookPath(name); err == nil {
		return file
	}
	files, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(files) == 0 {
		t.Skip("SKIPPED: PostgreSQL's " + name + " is not installed")
	}
	return files[0]
}

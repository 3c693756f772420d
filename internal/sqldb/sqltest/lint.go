package sqltest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

// Lint fails the test for each statement that recorder saw and that touches several regions, as db's server
// explains it.
func Lint(t testing.TB, db *sqldb.DB, recorder *localitylint.Recorder) {
	t.Helper()
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	found, err := recorder.Check(t.Context(), conn.Conn(), regions.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("touches %v: %s", v.Regions, v.SQL)
	}
}

// lint checks what the tests of this binary ran, and that it is all that the folders' code can run.
func lint(folders []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, start().url(template))
	if err != nil {
		return fmt.Errorf("sqltest: connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is pending on it
	found, err := statements.Check(ctx, conn, regions.Default())
	errs := []error{err}
	for _, v := range found {
		errs = append(errs, fmt.Errorf("a statement touches regions %v: %s", v.Regions, v.SQL))
	}
	if partial() {
		return errors.Join(errs...)
	}
	for _, folder := range folders {
		missing, err := statements.Missing(folder)
		errs = append(errs, err)
		for _, sql := range missing {
			errs = append(errs, fmt.Errorf("no test runs this statement, so its locality is not proved: %s", sql))
		}
	}
	return errors.Join(errs...)
}

// partial reports whether the command line left tests out.
func partial() bool {
	for _, name := range []string{"test.run", "test.skip", "test.fuzz", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return false
}

// keep appends what the tests of this binary ran to a file, for `make sql`.
func keep(file string) error {
	folder, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("sqltest: %w", err)
	}
	_, folder, _ = strings.Cut(folder, "/internal/")
	var text strings.Builder
	for _, sql := range statements.Statements() {
		fmt.Fprintf(&text, "-- from: the tests of internal/%s\n%s;\n\n", folder, sql)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("sqltest: %w", err)
	}
	_, err = f.WriteString(text.String()) // one write, so that packages do not mix
	return errors.Join(err, f.Close())
}

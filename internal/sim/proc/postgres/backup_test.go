package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// archiving starts a server with an archive, and a database shop with a table of numbers.
func archiving(t *testing.T) *Server {
	t.Helper()
	supervisor := proc.New(nil)
	t.Cleanup(func() { supervisor.Close(t.Context()) })
	dir := folder(t)
	s, err := Start(t.Context(), supervisor, Config{Dir: dir, Log: filepath.Join(dir, "log"), Addr: nettest.Address(t), Archive: time.Second})
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv(sqltest.RequireServers) == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	if err := s.CreateDatabase(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	do(t, s, "CREATE TABLE numbers (n INT)")
	return s
}

func do(t *testing.T, s *Server, sql string) {
	t.Helper()
	conn := connect(t, s.URL("shop"))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func numbers(t *testing.T, s *Server) (all []int) {
	t.Helper()
	conn := connect(t, s.URL("shop"))
	if err := conn.QueryRow(t.Context(), "SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM numbers").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A dropped database comes back with all that was committed before, twice.
func TestDroppedDatabaseIsRestoredToTheLastCommit(t *testing.T) {
	t.Parallel()
	s := archiving(t)
	do(t, s, "INSERT INTO numbers VALUES (1)")
	for round, want := range [][]int{{1, 2}, {1, 2, 3}} {
		b, err := s.BackUp(t.Context(), string(rune('a'+round)))
		if err != nil {
			t.Fatal(err)
		}
		do(t, s, "INSERT INTO numbers SELECT max(n) + 1 FROM numbers")
		if err := s.Drop(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		until, err := s.BeforeDrop(t.Context(), b.Start)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(t.Context(), b, until); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, numbers(t, s)); diff != "" {
			t.Errorf("round %d: %s", round, diff)
		}
		if timeline, _, err := s.Position(t.Context()); err != nil || timeline != int64(round+2) {
			t.Errorf("round %d: timeline %d, %v", round, timeline, err)
		}
	}
}

// A lost disk costs what was not archived, and nothing that was.
func TestLostDiskIsRestoredToTheEndOfTheArchive(t *testing.T) {
	t.Parallel()
	s := archiving(t)
	b, err := s.BackUp(t.Context(), "base")
	if err != nil {
		t.Fatal(err)
	}
	do(t, s, "INSERT INTO numbers VALUES (1)")
	_, written, err := s.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		archived, err := s.Archived()
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%v is not archived: %v, %v", written, archived, err)
		}
		if archived >= written {
			break
		}
	}
	if err := s.Lose(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.data()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the data is still there: %v", err)
	}
	if err := s.Restore(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, numbers(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestServerWithoutAnArchiveHasNoBackup(t *testing.T) {
	t.Parallel()
	if _, err := (&Server{}).BackUp(t.Context(), "x"); !errors.Is(err, ErrNotArchived) {
		t.Error(err)
	}
}

func TestLSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]LSN{"0/0": 0, "0/16B3748": 0x16b3748, "A/FFFFFFFF": 0xaffffffff} {
		if got, err := ParseLSN(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "x/1", "1/x", "1/100000000"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	want := segment{"0000000200000001000000FF", 2, 0x110000000}
	if got, ok := parseSegment(want.name); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, other := range []string{"00000002.history", ".0000000200000001000000F", "0000000200000001000000FF.00000028.backup"} {
		if got, ok := parseSegment(other); ok {
			t.Errorf("%q is %+v", other, got)
		}
	}
}

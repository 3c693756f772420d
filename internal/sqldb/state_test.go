package sqldb

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// TestStates holds every SQLSTATE of a failover, of either engine, to what it means for a statement that commits by
// itself, for COMMIT, for a transaction that did not come that far, and for health.
func TestStates(t *testing.T) {
	t.Parallel()
	const ambiguous = "COMMIT_AMBIGUOUS"
	for name, tc := range map[string]struct {
		code    string
		reason  string // of a statement by itself
		commit  string // of COMMIT: ambiguous, or "" where it certainly did not commit
		again   bool   // a transaction runs again
		refuses bool   // health: no write will be taken
	}{
		"serialization":          {"40001", "DATABASE_CONTENDED", "", true, false},
		"deadlock":               {"40P01", "DATABASE_CONTENDED", "", true, false},
		"completion unknown":     {"40003", ambiguous, ambiguous, false, false},
		"lock timeout":           {"55P03", "DATABASE_CONTENDED", "", false, false},
		"statement timeout":      {"57014", "DATABASE_SLOW", ambiguous, false, false},
		"shutdown":               {"57P01", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"crash":                  {"57P02", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"starting":               {"57P03", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"operator":               {"57000", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"connection":             {"08006", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"connection refused":     {"08001", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"too many connections":   {"53300", "DATABASE_UNREACHABLE", ambiguous, false, false},
		"disk full":              {"53100", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"out of memory":          {"53200", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"limit":                  {"53400", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"input or output":        {"58030", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"range unavailable":      {"58C00", "NO_QUORUM", ambiguous, false, true},
		"connection between":     {"58C01", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"uncategorized":          {"XXUUU", "DATABASE_IN_TROUBLE", ambiguous, false, false},
		"license":                {"XXC02", "DATABASE_UNLICENSED", "", false, false},
		"read-only":              {"25006", "DATABASE_ERROR", "", false, true},
		"no such table":          {"42P01", "DATABASE_ERROR", "", false, true},
		"not allowed":            {"42501", "DATABASE_ERROR", "", false, true},
		"a check that is broken": {"23514", "DATABASE_ERROR", "", false, false},
		"text":                   {"22021", "TEXT_INVALID", "", false, false},
		"too large":              {"54000", "VALUE_TOO_LARGE", "", false, false},
	} {
		err := &pgconn.PgError{Code: tc.code}
		if got := fault.Reason(Fault(err)); got != tc.reason {
			t.Errorf("%s (%s): a statement: %s, want %s", name, tc.code, got, tc.reason)
		}
		wantKind := fault.Unavailable
		switch tc.reason {
		case ambiguous:
			wantKind = fault.Ambiguous
		case "DATABASE_ERROR":
			wantKind = fault.Internal
		case "TEXT_INVALID", "VALUE_TOO_LARGE":
			wantKind = fault.Invalid
		}
		if !fault.Is(Fault(err), wantKind) {
			t.Errorf("%s (%s): a statement: %v, want %v", name, tc.code, Fault(err), wantKind)
		}
		if got := classifyCommit(err); fault.Reason(got) != tc.commit {
			t.Errorf("%s (%s): COMMIT: %v, want %q", name, tc.code, got, tc.commit)
		}
		if got := retryable(err); got != tc.again {
			t.Errorf("%s (%s): runs again: %t", name, tc.code, got)
		}
		if Refuses(err) != tc.refuses || Refuses(Fault(err)) != tc.refuses {
			t.Errorf("%s (%s): refuses: %t, want %t", name, tc.code, Refuses(err), tc.refuses)
		}
	}
}

func TestOutdatedStatements(t *testing.T) {
	t.Parallel()
	err := &pgconn.PgError{Code: "XX000", Message: "internal error: comparison of two different versions of enum crdb_internal_region oid 100105"}
	if !outdated(err) || outdated(errors.New(err.Message)) || fault.Reason(Fault(err)) != "REGIONS_CHANGED" || !fault.Is(Fault(err), fault.Unavailable) {
		t.Errorf("outdated %t, %v", outdated(err), Fault(err))
	}
	if got := Fault(pgx.ErrNoRows); !errors.Is(got, pgx.ErrNoRows) {
		t.Errorf("no rows: %v", got)
	}
}

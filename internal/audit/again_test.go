package audit

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// TestSnapshot: one snapshot on both engines, and on CockroachDB one that no writer can disturb.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	if got, want := options(sqldb.CockroachDB), (pgx.TxOptions{BeginQuery: "BEGIN TRANSACTION READ ONLY, AS OF SYSTEM TIME '-10s'"}); got != want {
		t.Errorf("CockroachDB: %+v", got)
	}
	if got, want := options(sqldb.PostgreSQL), (pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); got != want {
		t.Errorf("PostgreSQL: %+v", got)
	}
}

// TestAgain: what a cluster refuses for a moment is asked again, and nothing else is.
func TestAgain(t *testing.T) {
	t.Parallel()
	away, wrong := fault.New(fault.Unavailable, "DATABASE_UNAVAILABLE", "away"), errors.New("no such column")
	for name, c := range map[string]struct {
		answers []error
		want    error
		took    time.Duration
	}{
		"at once":        {[]error{nil}, nil, 0},
		"the third time": {[]error{away, away, nil}, nil, 3 * time.Second},
		"never":          {[]error{away, away, away}, away, 3 * time.Second},
		"a mistake":      {[]error{wrong}, wrong, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			asked := 0
			_, err := again(t.Context(), func() ([]Violation, error) {
				asked++
				return nil, c.answers[asked-1]
			})
			if !errors.Is(err, c.want) || asked != len(c.answers) || time.Since(began) != c.took {
				t.Errorf("%s: %v after %d attempts and %v", name, err, asked, time.Since(began))
			}
		})
	}
}

package healthsql_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/health/healthsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

func TestBeat(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, nil)
	for _, instance := range []string{"stack-1", "stack-2", "stack-1"} {
		s := healthsql.New(db, "eu-west-1", instance)
		if err := s.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if at, err := s.Ping(t.Context()); err != nil || at.Before(before.Add(-time.Minute)) || at.After(time.Now().Add(time.Minute)) {
			t.Errorf("asked at %v, the database says %v, %v", before, at, err)
		}
	}
	if err := healthsql.New(db, "eu-west-1", "stack-1").Read(t.Context()); err != nil {
		t.Error(err)
	}
	var rows int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM leases WHERE home_region = 'eu-west-1' AND holder LIKE 'eu-west-1/stack-%'`).Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return sqldb.Fault(&pgconn.PgError{Code: code}) }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no quorum":         {pg("58C00"), true},
		"read-only":         {pg("25006"), true},
		"no such table":     {pg("42P01"), true},
		"no room on disk":   {pg("53100"), false},
		"no license":        {pg("XXC02"), false},
		"ambiguous":         {pg("40003"), false},
		"a time-out":        {pg("57014"), false},
		"the row is locked": {pg("55P03"), false},
		"it lost a race":    {pg("40001"), false},
		"shutting down":     {pg("57P01"), false},
		"no connection":     {sqldb.Fault(&pgconn.ConnectError{}), false},
		"too late":          {sqldb.Fault(context.DeadlineExceeded), false},
		"none":              {nil, false},
	} {
		if got := healthsql.Refuses(tt.err); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

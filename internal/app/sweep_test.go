package app

import (
	"context"
	"errors"
	"testing"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// TestOnlyPostgreSQLIsSwept: CockroachDB deletes old rows itself, and an engine that is not known is not swept.
func TestOnlyPostgreSQLIsSwept(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, c := range map[string]struct {
		engine sqldb.Engine
		err    error
		want   int
	}{
		"PostgreSQL": {sqldb.PostgreSQL, nil, 7}, "CockroachDB": {sqldb.CockroachDB, nil, 0}, "unknown": {"", away, 0},
	} {
		sweep := onPostgreSQL(func(context.Context) (sqldb.Engine, error) { return c.engine, c.err },
			func(context.Context, regions.Name) (int, error) { return 7, nil })
		if n, err := sweep(t.Context(), "eu-west-1"); n != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

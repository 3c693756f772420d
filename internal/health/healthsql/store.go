// Package healthsql asks the database what an instance's health rests on, over connections of its own: when all of
// the pool's wait for a lease on the move, the question must not wait behind them.
package healthsql

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// slots is over how many rows a region's instances spread their beats: few, so that instances that are gone leave
// nothing behind, and enough that those that are here seldom wait for each other.
const slots = 16

// Store asks one gateway. It is safe for concurrent use.
type Store struct {
	db     sqldb.Querier
	region regions.Name
	holder string
	slot   string
}

// New returns a Store that beats for an instance of a region. db should not be the pool of the requests.
func New(db *sqldb.DB, region regions.Name, instance string) *Store {
	h := fnv.New32a()
	_, _ = h.Write([]byte(instance)) // never fails (hash.Hash)
	return &Store{db, region, string(region) + "/" + instance, fmt.Sprintf("beat/%02d", h.Sum32()%slots)}
}

// Ping asks whether the gateway answers at all, and what time it is there. It reads no row.
func (s *Store) Ping(ctx context.Context) (at time.Time, err error) {
	err = s.db.QueryRow(ctx, `SELECT now()`).Scan(&at)
	return at, sqldb.Fault(err)
}

// Read reads a row of a GLOBAL table, which the region's own replica answers as long as it hears of the others.
func (s *Store) Read(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `SELECT handle FROM products ORDER BY handle LIMIT 1`)
	return sqldb.Fault(err)
}

// Beat writes a row of the region: one statement, one commit, one quorum. It is a lease that nobody competes for.
func (s *Store) Beat(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `INSERT INTO leases (home_region, name, holder, expires_at) VALUES ($1, $2, $3, now())
		ON CONFLICT (home_region, name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.home_region = $1`, string(s.region), s.slot, s.holder)
	return sqldb.Fault(err)
}

// Refuses reports whether an error of Beat is the database's definite word that it takes no write.
func Refuses(err error) bool { return sqldb.Refuses(err) }

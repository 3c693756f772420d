// Package leasesql keeps leases in the SQL database, by the database's clock. Each call is one statement on one
// region's row; only reading costs no quorum.
package leasesql

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements lease.Store.
type Store struct {
	db   sqldb.Querier
	name string
}

// New returns a Store for the leases of that name, one in each region.
func New(db sqldb.Querier, name string) *Store { return &Store{db, name} }

// Read implements lease.Store.
func (s *Store) Read(ctx context.Context, home regions.Name) (lease.Record, error) {
	var r lease.Record
	var seconds float64
	err := s.db.QueryRow(ctx, `SELECT holder, expires_at, extract(epoch FROM expires_at - now())::float8
		FROM leases WHERE home_region = $1 AND name = $2`, string(home), s.name).Scan(&r.Holder, &r.Version, &seconds)
	// No row is an answer: a lease that nobody ever held.
	if errors.Is(err, pgx.ErrNoRows) {
		return lease.Record{}, nil
	}
	r.ExpiresIn = time.Duration(seconds * float64(time.Second))
	return r, sqldb.Fault(err)
}

// Claim implements lease.Store.
func (s *Store) Claim(ctx context.Context, home regions.Name, seen lease.Record, holder string, ttl time.Duration) (bool, error) {
	n, err := s.db.Exec(ctx, `INSERT INTO leases (home_region, name, holder, expires_at) VALUES ($1, $2, $3, now() + $4::interval)
		ON CONFLICT (home_region, name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.home_region = $1 AND leases.holder = $5 AND leases.expires_at = $6`,
		string(home), s.name, holder, ttl, seen.Holder, seen.Version)
	return n == 1, sqldb.Fault(err)
}

// Renew implements lease.Store.
func (s *Store) Renew(ctx context.Context, home regions.Name, holder string, ttl time.Duration) (bool, error) {
	n, err := s.db.Exec(ctx, `UPDATE leases SET expires_at = now() + $4::interval
		WHERE home_region = $1 AND name = $2 AND holder = $3`, string(home), s.name, holder, ttl)
	return n == 1, sqldb.Fault(err)
}

// Release implements lease.Store.
func (s *Store) Release(ctx context.Context, home regions.Name, holder string) error {
	_, err := s.db.Exec(ctx, `UPDATE leases SET expires_at = now()
		WHERE home_region = $1 AND name = $2 AND holder = $3 AND expires_at > now()`, string(home), s.name, holder)
	return sqldb.Fault(err)
}

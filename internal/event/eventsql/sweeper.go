package eventsql

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Retention is how long the rows of done events and of their effects are kept. A duplicate that arrives later
// must be harmless by itself.
const Retention = 7 * 24 * time.Hour

const sweepBatch = 500

// Sweeper deletes rows that nothing needs any more: inbox rows and published events past Retention, and expired
// idempotency keys. It is safe for concurrent use.
type Sweeper struct{ db sqldb.Querier }

// NewSweeper returns a Sweeper.
func NewSweeper(db sqldb.Querier) *Sweeper { return &Sweeper{db} }

var sweeps = [...]string{
	`DELETE FROM inbox WHERE home_region = $1 AND (consumer, event_id) IN (
		SELECT consumer, event_id FROM inbox WHERE home_region = $1 AND created_at < now() - $2::interval LIMIT $3)`,
	`DELETE FROM outbox WHERE home_region = $1 AND (order_id, sequence) IN (
		SELECT order_id, sequence FROM outbox WHERE home_region = $1 AND due_at IS NULL AND created_at < now() - $2::interval LIMIT $3)`,
}

const sweepKeys = `DELETE FROM idempotency_keys WHERE home_region = $1 AND (user_id, key) IN (
		SELECT user_id, key FROM idempotency_keys WHERE home_region = $1 AND expires_at < now() LIMIT $2)`

// Sweep is one step: it deletes a bounded batch of each kind of the region's rows and returns how many it
// deleted; there may be more until that is 0.
func (s *Sweeper) Sweep(ctx context.Context, home regions.Name) (int, error) {
	total := 0
	for _, sql := range sweeps {
		n, err := s.db.Exec(ctx, sql, string(home), Retention, sweepBatch)
		if err != nil {
			return total, sqldb.Fault(err)
		}
		total += int(n)
	}
	n, err := s.db.Exec(ctx, sweepKeys, string(home), sweepBatch)
	return total + int(n), sqldb.Fault(err)
}

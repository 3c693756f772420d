package eventsql

import (
	"context"
	"errors"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

const sweepBatch = 500

// Sweeper deletes what is past its Retention: inbox rows, events that no delivery is pending of, and what consumers
// are owed that nobody registers any more. It is safe for concurrent use.
type Sweeper struct {
	db        sqldb.Querier
	consumers []string
}

// NewSweeper returns a Sweeper.
func NewSweeper(db sqldb.Querier, consumers []event.Consumer) *Sweeper {
	return &Sweeper{db, names(consumers)}
}

// What the relay has not found in the inbox yet must not be forgotten there.
const sweepInbox = `DELETE FROM inbox WHERE home_region = $1 AND (consumer, event_id) IN (
	SELECT consumer, event_id FROM inbox i WHERE home_region = $1 AND created_at < now() - $2::interval
	AND NOT EXISTS (SELECT 1 FROM pending_deliveries p
		WHERE p.home_region = $1 AND p.consumer = i.consumer AND p.event_id = i.event_id) LIMIT $3)`

// A consumer that this release does not know may be one of the next release, already at work: it is given time.
const sweepPending = `DELETE FROM pending_deliveries WHERE home_region = $1 AND (consumer, event_id) IN (
	SELECT consumer, event_id FROM pending_deliveries
	WHERE home_region = $1 AND consumer <> ALL($4) AND created_at < now() - $2::interval LIMIT $3)`

const sweepOutbox = `DELETE FROM outbox WHERE home_region = $1 AND (order_id, sequence) IN (
	SELECT order_id, sequence FROM outbox o WHERE home_region = $1 AND due_at IS NULL AND created_at < now() - $2::interval
	AND NOT EXISTS (SELECT 1 FROM pending_deliveries p
		WHERE p.home_region = $1 AND p.consumer = ANY($4) AND p.event_id = o.id) LIMIT $3)`

// Sweep is one step: it deletes a bounded batch of each kind of the region's rows and returns how many it
// deleted; there may be more until that is 0.
func (s *Sweeper) Sweep(ctx context.Context, home regions.Name) (int, error) {
	total := 0
	var errs []error
	for _, sweep := range []struct {
		sql  string
		args []any
	}{
		{sweepInbox, []any{string(home), Retention, sweepBatch}},
		{sweepPending, []any{string(home), Retention, sweepBatch, s.consumers}},
		{sweepOutbox, []any{string(home), Retention, sweepBatch, s.consumers}},
	} {
		n, err := s.db.Exec(ctx, sweep.sql, sweep.args...)
		// One kind that cannot be swept must not keep the others from it.
		errs = append(errs, sqldb.Fault(err))
		total += int(n)
	}
	return total, errors.Join(errs...)
}

package eventsql

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// Retention is how long events are kept once every consumer has taken them, and how long an inbox remembers.
const Retention = 7 * 24 * time.Hour

// Once returns a handler that has a consumer's effect once for each event, in a transaction with the note in the
// consumer's inbox. A concurrent delivery of the same event waits for the outcome.
func Once(db *sqldb.DB, c event.Consumer) event.Handler {
	return func(ctx context.Context, e event.Event) error {
		return db.InTx(ctx, func(tx sqldb.Tx) error {
			n, err := tx.Exec(ctx, take, string(e.Home), c.Name, e.ID, e.CreatedAt, Retention)
			// A repetition is a success: the effect is there already.
			if err != nil || n == 0 {
				return err
			}
			return c.Effect(ctx, tx, e)
		})
	}
}

// take writes one row that is this consumer's own, so that takings never conflict. Where the inbox has begun to
// forget, the pending delivery tells: an event that old comes again for another consumer, unless this one is owed it.
const take = `INSERT INTO inbox (home_region, consumer, event_id, created_at)
	SELECT $1, $2, $3, now() WHERE $4::timestamptz > now() - $5::interval
		OR EXISTS (SELECT 1 FROM pending_deliveries WHERE home_region = $1 AND consumer = $2 AND event_id = $3)
	ON CONFLICT (home_region, consumer, event_id) DO NOTHING`

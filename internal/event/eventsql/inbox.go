package eventsql

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Once notes, in the transaction of the effect, that a consumer took an event; first is false when the consumer
// had taken it before, and then the transaction must have no further effect. A concurrent delivery of the same
// event waits for the outcome of this transaction.
func Once(ctx context.Context, tx sqldb.Tx, home regions.Name, consumer, eventID string) (first bool, err error) {
	n, err := tx.Exec(ctx, `INSERT INTO inbox (home_region, consumer, event_id, created_at) VALUES ($1, $2, $3, now())
		ON CONFLICT (home_region, consumer, event_id) DO NOTHING`, string(home), consumer, eventID)
	return n == 1, err
}

// EffectDone ends the republishing of an event, in the transaction of its effect. Calling it again changes nothing.
func EffectDone(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID string, sequence int64) error {
	_, err := tx.Exec(ctx, `UPDATE outbox SET due_at = NULL, published_at = coalesce(published_at, now())
		WHERE home_region = $1 AND order_id = $2 AND sequence = $3 AND due_at IS NOT NULL`, string(home), orderID, sequence)
	return err
}

// Package eventsql keeps events in the SQL database: the outbox (Queue), its relay, and the inbox of consumers
// (Once). Every statement stays in one region.
package eventsql

import (
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// awaits_effect is for relays of the former release, which publish a placed order's event until its payment is there.
const insert = `INSERT INTO outbox (home_region, aggregate_type, order_id, sequence, id, type, payload, traceparent, created_at, due_at, awaits_effect)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $6 = 'meridian.order.placed.v1')`

// Queue adds an event to a batch that the caller sends in the transaction of the change that it announces; it is due for
// publishing once that commits. The error is fault.Internal for an incomplete event.
func Queue(batch *sqldb.Batch, e event.Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	payload := e.Payload
	if payload == nil {
		payload = []byte{} // NULL is not no payload
	}
	batch.Queue(insert, string(e.Home), e.Type.Aggregate(), e.AggregateID, e.Sequence, e.ID, e.Type, payload, e.Traceparent, e.CreatedAt)
	return nil
}

// Package outbox carries the changes of orders to whoever must react to them, and loses none: an event is
// written in the transaction of its change (Append), a relay publishes it at least once (Relay), and a consumer
// notes it in the transaction of its effect (Once), so that it takes effect once. An event that awaits an effect
// is published again until EffectDone was called, so a bus that lost its data loses nothing.
//
// The events of one order are published in the order of their sequence as long as one relay works; a repeated
// or a late one may arrive after its successors, and the sequence tells.
package outbox

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// The types of events, which are CloudEvents types; meridian/event/v1 has the payload of each.
const (
	OrderPlaced    = "meridian.order.placed.v1"
	OrderConfirmed = "meridian.order.confirmed.v1"
	OrderFulfilled = "meridian.order.fulfilled.v1"
	OrderCanceled  = "meridian.order.canceled.v1"
)

// Event is one change of an order.
type Event struct {
	ID           string // evt_<code>_…
	Home         regions.Name
	OrderID      string
	Sequence     int64 // the order's version after the change, from 1
	Type         string
	Payload      []byte // protobuf, the message of the type
	Traceparent  string // W3C trace context of the change, or ""
	CreatedAt    time.Time
	AwaitsEffect bool // publish again until EffectDone
}

const insert = `INSERT INTO outbox (home_region, order_id, sequence, id, type, payload, traceparent, created_at, due_at, awaits_effect)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9)`

// Append writes an event in the transaction of the change that it announces; it is due for publishing once
// that commits. Errors are fault.Internal for an incomplete event, or the transaction's own.
func Append(ctx context.Context, tx sqldb.Tx, e Event) error {
	args, err := e.row()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insert, args...)
	return err
}

// Queue is Append as a part of a batch that the caller sends in its transaction.
func Queue(batch *sqldb.Batch, e Event) error {
	args, err := e.row()
	if err != nil {
		return err
	}
	batch.Queue(insert, args...)
	return nil
}

func (e Event) row() ([]any, error) {
	if e.ID == "" || e.Home == "" || e.OrderID == "" || e.Sequence < 1 || e.Type == "" {
		return nil, fault.New(fault.Internal, "EVENT_INCOMPLETE", "an event needs an id, a home region, an order, a sequence and a type")
	}
	payload := e.Payload
	if payload == nil {
		payload = []byte{} // NULL is not no payload
	}
	return []any{string(e.Home), e.OrderID, e.Sequence, e.ID, e.Type, payload, e.Traceparent, e.CreatedAt, e.AwaitsEffect}, nil
}

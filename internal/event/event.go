// Package event carries the changes of orders to whoever must react to them, and loses none: an event is
// written in the transaction of its change, a relay publishes it at least once, and a consumer notes it in the
// transaction of its effect, so that it takes effect once. Below it, eventsql has the statements and kafka the bus.
package event

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
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
	AwaitsEffect bool // publish again until its effect was noted
}

// Validate returns fault.Internal for an event that lacks an attribute.
func (e Event) Validate() error {
	if e.ID == "" || e.Home == "" || e.OrderID == "" || e.Sequence < 1 || e.Type == "" {
		return fault.New(fault.Internal, "EVENT_INCOMPLETE", "an event needs an id, a home region, an order, a sequence and a type")
	}
	return nil
}

// Publisher puts events on the bus. It is safe for concurrent use.
type Publisher interface {
	// Publish returns once the bus has all events durably, in their order for each order id. After an error any
	// of them may be on the bus or not.
	Publish(ctx context.Context, events []Event) error
}

package event

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrRefused is wrapped by errors of a Publisher whose bus will not take some of the events for what they are: their topic is
// not authorized or its name is none, or one is too large. It may take the others.
var ErrRefused = errors.New("event: refused by the bus")

// Type says what happened to which kind of aggregate: meridian.<aggregate>.<what happened>.v<version>. It is the
// CloudEvents type; meridian/event/v1 has the payload of each.
type Type string

// The types of events.
const (
	OrderPlaced    Type = "meridian.order.placed.v1"
	OrderConfirmed Type = "meridian.order.confirmed.v1"
	OrderFulfilled Type = "meridian.order.fulfilled.v1"
	OrderCanceled  Type = "meridian.order.canceled.v1"

	PaymentResolved Type = "meridian.payment.resolved.v1"

	RefundSettled Type = "meridian.refund.settled.v1"
)

// Aggregate returns the kind of thing that the type is about, or "" where the name does not follow the rule. It has
// lower-case letters, digits and underscores alone, of which any bus can make a topic.
func (t Type) Aggregate() Aggregate {
	parts := strings.Split(string(t), ".")
	if len(parts) != 4 || parts[0] != "meridian" || parts[2] == "" || !strings.HasPrefix(parts[3], "v") || strings.Trim(parts[1], "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return ""
	}
	return Aggregate(parts[1])
}

// Aggregate is a kind of thing whose changes are events, such as an order: a noun whose plural takes an s.
type Aggregate string

// TopicPrefix is what the name of each topic begins with.
const TopicPrefix = "meridian."

// Topic is where the bus has the events of an aggregate: meridian.orders.
func (a Aggregate) Topic() string { return TopicPrefix + string(a) + "s" }

// Source is the CloudEvents source of an aggregate's events in a region: /meridian/orders/eu-west-1.
func (a Aggregate) Source(home regions.Name) string {
	return "/meridian/" + string(a) + "s/" + string(home)
}

// Event is one change of an aggregate. Which kind of aggregate it is follows from the type.
type Event struct {
	ID          string // evt_<code>_…
	Home        regions.Name
	AggregateID string // of package id
	Sequence    int64  // the aggregate's version after the change, from 1
	Type        Type
	Payload     []byte // protobuf, the message of the type
	Traceparent string // W3C trace context of the change, or ""
	CreatedAt   time.Time
}

// Validate returns fault.Internal for an event that lacks an attribute, or whose type does not follow the rule. The aggregate's
// id is one of package id, whose kind is a part of it: the outbox knows an event by that id and the sequence, so two
// kinds of aggregates must never have the same.
func (e Event) Validate() error {
	_, _, err := id.Parse(e.AggregateID)
	if err != nil || e.ID == "" || e.Home == "" || e.Sequence < 1 || e.Type.Aggregate() == "" {
		return fault.New(fault.Internal, "EVENT_INCOMPLETE", "an event needs an id, a home region, the id of an aggregate, a sequence, and a type that names its aggregate")
	}
	return nil
}

// Publisher puts events on the bus. It is safe for concurrent use.
type Publisher interface {
	// Publish returns once the bus has all events durably, in their order for each aggregate. After an error any
	// of them may be on the bus or not; it wraps ErrRefused if some of them cannot be, however often that is tried.
	Publish(ctx context.Context, events []Event) error
}

package payment

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// ConsumerName is this room's name in the inbox and its group on the bus.
const ConsumerName = "payment"

// Consumer creates the payment of each placed order. It is safe for concurrent use.
type Consumer struct {
	store   Store
	catalog *regions.Catalog
}

// NewConsumer returns a Consumer.
func NewConsumer(s Store, c *regions.Catalog) *Consumer { return &Consumer{s, c} }

// Handle takes one event, any number of times. Events of other types than meridian.order.placed.v1 have no
// effect. Errors: fault.Invalid for an event that will never have one, and otherwise those of the database, after
// which it should be handled again.
func (c *Consumer) Handle(ctx context.Context, e event.Event) error {
	if e.Type != event.OrderPlaced {
		return nil
	}
	p, err := c.payment(e)
	if err != nil {
		return err
	}
	return c.store.InTx(ctx, func(tx sqldb.Tx) error {
		first, err := eventsql.Once(ctx, tx, e.Home, ConsumerName, e.ID)
		if err != nil {
			return err
		}
		if first {
			if _, err := c.store.Insert(ctx, tx, p); err != nil {
				return err
			}
		}
		return eventsql.EffectDone(ctx, tx, e.Home, e.AggregateID, e.Sequence)
	})
}

// payment returns the payment of an event's order. Its id is the order's own, as a payment's: a database that was
// restored to a point before the payment makes the same one again, and the provider knows it.
func (c *Consumer) payment(e event.Event) (Payment, error) {
	var placed eventv1.OrderPlaced
	if err := proto.Unmarshal(e.Payload, &placed); err != nil {
		return Payment{}, fault.Wrap(err, fault.Invalid, "EVENT_MALFORMED", "the payload of event %s is not an OrderPlaced", e.ID)
	}
	home, err := id.Home(c.catalog, id.Order, e.AggregateID)
	if err != nil || home != e.Home || placed.GetOrderId() != e.AggregateID {
		return Payment{}, fault.New(fault.Invalid, "EVENT_MALFORMED", "event %s of region %s is about order %q and carries %q", e.ID, e.Home, e.AggregateID, placed.GetOrderId())
	}
	currency, err := money.ParseCurrency(placed.GetTotal().GetCurrency())
	if err != nil || placed.GetTotal().GetMinorUnits() < 0 {
		return Payment{}, fault.New(fault.Invalid, "EVENT_MALFORMED", "event %s has a total that is no amount", e.ID)
	}
	return Payment{
		ID: id.Of(id.Payment, e.AggregateID), Home: home, OrderID: e.AggregateID, State: Created,
		Amount: money.Money{Minor: placed.GetTotal().GetMinorUnits(), Currency: currency}, Traceparent: e.Traceparent,
	}, nil
}

package payment

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// NewConsumer returns the consumer of events that creates the payment of each placed order. Its effect is
// fault.Invalid for an event that is no order's.
func NewConsumer(s Store, c *regions.Set) event.Consumer {
	return event.Consumer{
		Name: "payment", Types: []event.Type{event.OrderPlaced},
		Effect: func(ctx context.Context, tx sqldb.Tx, e event.Event) error {
			p, err := ofOrder(c, e)
			if err != nil {
				return err
			}
			// An order that has a payment keeps it: the inbox was restored, or forgot the event.
			_, err = s.Insert(ctx, tx, p)
			return err
		},
	}
}

// ofOrder returns the payment of an event's order. Its id is the order's own, as a payment's: a database that was
// restored to a point before the payment makes the same one again, and the provider knows it.
func ofOrder(c *regions.Set, e event.Event) (Payment, error) {
	var placed eventv1.OrderPlaced
	if err := proto.Unmarshal(e.Payload, &placed); err != nil {
		return Payment{}, fault.Wrap(err, fault.Invalid, "EVENT_MALFORMED", "the payload of event %s is not an OrderPlaced", e.ID)
	}
	home, err := id.Home(c, id.Order, e.AggregateID)
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

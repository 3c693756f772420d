package ordersql

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/telemetry"
)

// queueEvent writes the event that announces o's newest change into the outbox. paymentID is for a confirmation.
func queueEvent(ctx context.Context, batch *sqldb.Batch, eventID string, o order.Order, paymentID string) error {
	if plant.Bites(plant.WrongPayload, 3) {
		o.UserID += "x"
	}
	kind, payload := announce(o, paymentID)
	encoded, err := proto.Marshal(payload)
	if err != nil {
		return fmt.Errorf("order: encode event: %w", err)
	}
	if o.State == order.PendingPayment && plant.Bites(plant.LostOutboxRow, 3) {
		return nil
	}
	return eventsql.Queue(batch, event.Event{
		ID: eventID, Home: o.Home, AggregateID: o.ID, Sequence: o.Version, Type: kind, Payload: encoded,
		Traceparent: telemetry.Inject(ctx), CreatedAt: o.UpdatedAt,
	})
}

func announce(o order.Order, paymentID string) (kind event.Type, payload proto.Message) {
	switch o.State {
	case order.Confirmed:
		return event.OrderConfirmed, &eventv1.OrderConfirmed{OrderId: o.ID, HomeRegion: string(o.Home), PaymentId: paymentID}
	case order.Fulfilled:
		return event.OrderFulfilled, &eventv1.OrderFulfilled{OrderId: o.ID, HomeRegion: string(o.Home)}
	case order.Canceled:
		return event.OrderCanceled, &eventv1.OrderCanceled{OrderId: o.ID, HomeRegion: string(o.Home), Reason: o.CancelReason}
	case order.PendingPayment:
	}
	return event.OrderPlaced, &eventv1.OrderPlaced{OrderId: o.ID, UserId: o.UserID, HomeRegion: string(o.Home), Total: rpc.Money(o.Total)}
}

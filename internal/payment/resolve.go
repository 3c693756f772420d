package payment

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Resolver ends payments that are stuck, as a person found that they ended at the provider. It is safe for
// concurrent use, also beside workers.
type Resolver struct {
	Store   Store
	Orders  Orders
	Regions *regions.Set
}

// Resolve ends a stuck payment as captured, voided or disputed, with what follows for its order and the ledger, and
// announces it. It returns the payment as it is then; one that is in that state already is left as it is. Errors:
// fault.Invalid (PAYMENT_RESOLUTION), fault.NotFound (PAYMENT_NOT_FOUND), fault.FailedPrecondition (PAYMENT_STATE,
// PAYMENT_NOT_STUCK, ORDER_STATE).
func (r Resolver) Resolve(ctx context.Context, paymentID string, as State, reason string) (Payment, error) {
	if as != Captured && as != Voided && as != Disputed || strings.TrimSpace(reason) == "" {
		return Payment{}, fault.New(fault.Invalid, "PAYMENT_RESOLUTION", "a payment is resolved as captured, voided or disputed, not as %.20q, and for a reason", as)
	}
	home, err := id.Home(r.Regions, id.Payment, paymentID)
	if err != nil {
		return Payment{}, fault.Wrap(err, fault.NotFound, "PAYMENT_NOT_FOUND", "%.80q is no payment's id", paymentID)
	}
	var out Payment
	eventID := id.New(id.Event, r.Regions.Code(home)) // not in the transaction, which may run again
	err = r.Store.InTx(ctx, func(tx sqldb.Tx) error {
		found, err := r.Store.Lock(ctx, tx, home, paymentID)
		out = found.Payment
		if err != nil || out.State == as {
			return err
		}
		if err := out.State.To(as); err != nil {
			return err
		}
		// A worker may be about to learn the end of a younger one.
		if !found.Stuck {
			return fault.New(fault.FailedPrecondition, "PAYMENT_NOT_STUCK", "payment %s has been %s for less than %s; it may still end by itself", paymentID, out.State, StuckAfter)
		}
		from := out.State
		out.State, out.Resolution = as, reason
		return r.settle(ctx, tx, out, from, event.Event{ID: eventID, CreatedAt: found.At.UTC()})
	})
	return out, err
}

func (r Resolver) settle(ctx context.Context, tx sqldb.Tx, p Payment, from State, e event.Event) error {
	if _, err := r.Store.Settle(ctx, tx, p, from, Due{Never: true}); err != nil {
		return err
	}
	switch p.State {
	case Captured:
		if err := r.Orders.Fulfill(ctx, tx, p.Home, p.OrderID); err != nil {
			return err
		}
		if err := r.Store.Post(ctx, tx, p.Home, p.posting()); err != nil {
			return err
		}
	default:
		because := ReasonVoided
		if p.State == Disputed {
			because = ReasonDisputed
		}
		// It is refused, before it wrote anything, for an order that is canceled already.
		if err := r.Orders.Cancel(ctx, tx, p.Home, p.OrderID, because); err != nil && !fault.Is(err, fault.FailedPrecondition) {
			return err
		}
	}
	payload, err := proto.Marshal(&eventv1.PaymentResolved{
		PaymentId: p.ID, OrderId: p.OrderID, HomeRegion: string(p.Home), FromState: string(from), State: string(p.State), Reason: p.Resolution,
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "INTERNAL", "the event of payment %s cannot be encoded", p.ID)
	}
	e.Type, e.Home, e.AggregateID, e.Payload, e.Traceparent = event.PaymentResolved, p.Home, p.ID, payload, p.Traceparent
	e.Sequence = 1 // a payment is resolved once
	return r.Store.Announce(ctx, tx, e)
}

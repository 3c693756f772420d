package payment

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// StepRefunds claims a batch of the region's due refunds, has the provider make each, and returns how many it claimed.
// One whose outcome is unknown is due again later; that is not an error of the step.
func (w *Worker) StepRefunds(ctx context.Context, home regions.Name) (int, error) {
	claims, err := w.Store.ClaimRefunds(ctx, home, 2*w.Concurrency, visibility)
	if err != nil {
		return 0, err
	}
	together(w, claims, func(r Refund) { w.refund(ctx, r) })
	return len(claims), nil
}

// refund asks the provider, always with the same key, and so is answered alike however often it asks.
func (w *Worker) refund(ctx context.Context, r Refund) {
	out := w.Provider.Refund(ctx, Charge{PaymentID: r.PaymentID, OrderID: r.OrderID, Amount: r.Amount}, r.ID)
	err := out.Err
	switch out.Decision {
	case Approved:
		r.State = Refunded
	case DeclinedByProvider:
		r.State, r.DeclineReason = RefundDeclined, out.Reason
	case Unknown:
	}
	if r.State != RefundPending {
		if err = w.Store.InTx(ctx, func(tx sqldb.Tx) error { return settleRefund(ctx, tx, w.Store, r) }); err == nil {
			return
		}
	}
	after := backoff(r.Attempts)
	w.Log.WarnContext(ctx, "refund is open; it is tried again", "refund", r.ID, "payment", r.PaymentID, "attempt", r.Attempts, "after", after, "error", err)
	if err := w.Store.PostponeRefund(ctx, r, after); err != nil && ctx.Err() == nil {
		w.Log.WarnContext(ctx, "refund waits for its visibility time-out", "refund", r.ID, "error", err)
	}
}

// Resolve ends a stuck refund as refunded or declined. One that has ended so already is left as it is. Errors:
// fault.Invalid (REFUND_RESOLUTION), fault.NotFound (REFUND_NOT_FOUND), fault.FailedPrecondition (REFUND_NOT_STUCK).
func (f Refunder) Resolve(ctx context.Context, refundID string, as RefundState, reason string) (Refund, error) {
	if as != Refunded && as != RefundDeclined || reason == "" {
		return Refund{}, fault.New(fault.Invalid, "REFUND_RESOLUTION", "a refund is resolved as refunded or declined, not as %.20q, and for a reason", as)
	}
	home, err := id.Home(f.Regions, id.Refund, refundID)
	if err != nil {
		return Refund{}, fault.Wrap(err, fault.NotFound, "REFUND_NOT_FOUND", "%.80q is no refund's id", refundID)
	}
	var out Refund
	err = f.Store.InTx(ctx, func(tx sqldb.Tx) error {
		if out, err = f.Store.LockRefund(ctx, tx, home, refundID); err != nil || out.State == as {
			return err
		}
		// A worker may be about to learn the end of a younger one.
		if !out.Stuck {
			return fault.New(fault.FailedPrecondition, "REFUND_NOT_STUCK", "refund %s is %s, and has not been pending for %s", refundID, out.State, StuckAfter)
		}
		out.State, out.DeclineReason = as, reason
		return settleRefund(ctx, tx, f.Store, out)
	})
	return out, err
}

// settleRefund ends a pending refund, with what follows from that for the ledger, and announces it. One that ended elsewhere
// in the meantime is left alone.
func settleRefund(ctx context.Context, tx sqldb.Tx, s Store, r Refund) error {
	at, mine, err := s.SettleRefund(ctx, tx, r)
	if err != nil || !mine {
		return err
	}
	if r.State == Refunded {
		if err := s.Post(ctx, tx, r.Home, r.posting()); err != nil {
			return err
		}
	}
	payload, err := proto.Marshal(&eventv1.RefundSettled{
		RefundId: r.ID, PaymentId: r.PaymentID, OrderId: r.OrderID, HomeRegion: string(r.Home), State: string(r.State),
		Amount: &moneyv1.Money{MinorUnits: r.Amount.Minor, Currency: string(r.Amount.Currency)}, Reason: r.Reason, DeclineReason: r.DeclineReason,
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "INTERNAL", "the event of refund %s cannot be encoded", r.ID)
	}
	return s.Announce(ctx, tx, event.Event{
		ID: id.Of(id.Event, r.ID), Home: r.Home, AggregateID: r.ID, Sequence: 1, Type: event.RefundSettled, Payload: payload, CreatedAt: at.UTC(),
	})
}

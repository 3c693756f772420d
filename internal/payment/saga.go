package payment

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// Why the order of a payment that came to nothing is canceled.
const (
	ReasonDeclined = "PAYMENT_DECLINED" // by the provider
	ReasonVoided   = "PAYMENT_VOIDED"   // the reservation was given up, by hand or at the provider
	ReasonDisputed = "PAYMENT_DISPUTED" // what became of the money is settled by people
)

// authorize has the amount reserved. The idempotency key is the payment's id. What the provider says that it has done
// further was asked of it before the database was restored to an earlier point, and is taken up: the later steps find
// a capture that is made already, and repeat none.
func (w *Worker) authorize(ctx context.Context, c Claim) error {
	f, err := w.find(ctx, c)
	if err != nil {
		return err
	}
	switch f.Standing {
	case StandingAuthorized, StandingCaptured:
		return w.authorized(ctx, c, f.Ref)
	case StandingDeclined, StandingVoided:
		return w.declined(ctx, c)
	case StandingNone:
	}
	out := w.Provider.Authorize(ctx, c.charge(), c.ID)
	if out.Decision == Approved && plant.Bites(plant.AuthorizedCanceled, 3) || out.Decision == Unknown && plant.Bites(plant.UnknownDeclined, 1) {
		out.Decision = DeclinedByProvider
	}
	switch out.Decision {
	case Approved:
		return w.authorized(ctx, c, out.Ref)
	case DeclinedByProvider:
		return w.declined(ctx, c)
	case Unknown:
	}
	return unknown(c, out)
}

// capture has the amount taken.
func (w *Worker) capture(ctx context.Context, c Claim) error {
	if plant.Bites(plant.FreshCaptureKey, 1) {
		if out := w.Provider.Capture(ctx, c.charge(), rand.Text()); out.Decision != Approved {
			return unknown(c, out)
		}
		return w.captured(ctx, c)
	}
	f, err := w.find(ctx, c)
	if err != nil {
		return err
	}
	switch f.Standing {
	case StandingCaptured:
		return w.captured(ctx, c)
	// The hold ran out, or somebody gave it up at the provider: nothing can be taken any more.
	case StandingDeclined:
		return w.declined(ctx, c)
	case StandingVoided:
		return w.canceled(ctx, c, ReasonVoided, Voided)
	case StandingNone:
		return contradiction(c, f)
	case StandingAuthorized:
	}
	out := w.Provider.Capture(ctx, c.charge(), c.ID+":capture")
	if plant.Bites(plant.DoubleCapture, 3) {
		w.Provider.Capture(ctx, c.charge(), c.ID+":capture:"+rand.Text())
	}
	switch out.Decision {
	case Approved:
		return w.captured(ctx, c)
	case DeclinedByProvider:
		return w.declined(ctx, c)
	case Unknown:
	}
	return unknown(c, out)
}

// void has the reservation given up.
func (w *Worker) void(ctx context.Context, c Claim) error {
	f, err := w.find(ctx, c)
	if err != nil {
		return err
	}
	switch f.Standing {
	// Where the provider holds nothing, there is nothing to give up.
	case StandingVoided, StandingNone, StandingDeclined:
		return w.voided(ctx, c)
	case StandingCaptured:
		return contradiction(c, f)
	case StandingAuthorized:
	}
	if out := w.Provider.Void(ctx, c.charge(), c.ID+":void"); out.Decision != Approved {
		return unknown(c, out)
	}
	return w.voided(ctx, c)
}

// authorized confirms the order. An order that cannot be confirmed any more, because it was canceled, has its
// reservation voided instead.
func (w *Worker) authorized(ctx context.Context, c Claim, ref string) error {
	c.ProviderRef = ref
	due := Due{Never: w.FulfillAfter == 0, After: w.FulfillAfter}
	err := w.settle(ctx, c, due, func(tx sqldb.Tx) error {
		return w.Orders.Confirm(ctx, tx, c.Home, c.OrderID, c.ID)
	}, Authorized)
	if fault.Is(err, fault.FailedPrecondition) {
		w.Log.WarnContext(ctx, "order cannot be confirmed; its payment is voided", "order", c.OrderID, "payment", c.ID, "error", err)
		return w.settle(ctx, c, Due{}, nil, Authorized, Voiding)
	}
	return err
}

func (w *Worker) declined(ctx context.Context, c Claim) error {
	return w.canceled(ctx, c, ReasonDeclined, Declined)
}

// canceled cancels the order of a payment that came to nothing, unless it is canceled already.
func (w *Worker) canceled(ctx context.Context, c Claim, reason string, as State) error {
	err := w.settle(ctx, c, Due{Never: true}, func(tx sqldb.Tx) error {
		return w.Orders.Cancel(ctx, tx, c.Home, c.OrderID, reason)
	}, as)
	if fault.Is(err, fault.FailedPrecondition) {
		return w.settle(ctx, c, Due{Never: true}, nil, as)
	}
	return err
}

// captured fulfills the order and posts the sale.
func (w *Worker) captured(ctx context.Context, c Claim) error {
	return w.settle(ctx, c, Due{Never: true}, func(tx sqldb.Tx) error {
		if err := w.Orders.Fulfill(ctx, tx, c.Home, c.OrderID); err != nil {
			return err
		}
		return w.Store.Post(ctx, tx, c.Home, c.posting())
	}, Captured)
}

func (w *Worker) voided(ctx context.Context, c Claim) error {
	return w.settle(ctx, c, Due{Never: true}, nil, Voided)
}

// settle moves the payment along path and does what follows from it, in one transaction. A payment that was
// settled elsewhere in the meantime is left alone.
func (w *Worker) settle(ctx context.Context, c Claim, due Due, follow func(tx sqldb.Tx) error, path ...State) error {
	from := c.State
	p := c.Payment
	for _, next := range path {
		if err := p.State.To(next); err != nil {
			return err
		}
		p.State = next
	}
	var mine bool
	err := w.Store.InTx(ctx, func(tx sqldb.Tx) (err error) {
		if mine, err = w.Store.Settle(ctx, tx, p, from, due); err != nil || !mine || follow == nil {
			return err
		}
		return follow(tx)
	})
	if err == nil && mine {
		w.Meter.Settled(p)
		if follow != nil && w.Changed != nil { // whatever follows from a payment changes its order
			w.Changed(ctx, p.OrderID)
		}
	}
	return err
}

func (p Payment) charge() Charge {
	return Charge{PaymentID: p.ID, OrderID: p.OrderID, Amount: p.Amount}
}

func unknown(c Claim, out Outcome) error {
	return fmt.Errorf("payment: outcome of %s is not known yet: %w", c.State, out.Err)
}

func contradiction(c Claim, f Finding) error {
	return fmt.Errorf("payment: %s is %s here and %s at the provider", c.ID, c.State, f.Standing)
}

package payment

import (
	"context"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// RefundState is where a refund is in its life: pending until the provider has said how it ends.
type RefundState string

// The states of a refund.
const (
	RefundPending  RefundState = "pending"
	Refunded       RefundState = "refunded" // the money went back
	RefundDeclined RefundState = "declined" // it stays, and can be refunded again
)

// Refunding is the state under which pending refunds are told among what is open of payments.
const Refunding = "refunding"

// Refunds is the account of the ledger that has what was given back.
const Refunds = "refunds"

const maxRefundText = 200 // bytes of a key or a reason

// Refund is money of a captured payment on its way back, or what became of it.
type Refund struct {
	ID            string
	Home          regions.Name
	PaymentID     string
	OrderID       string
	Key           string // of the request
	State         RefundState
	Amount        money.Money
	Reason        string // of the merchant
	DeclineReason string // of the provider or of who said how it ended, or ""
	Attempts      int
	Since         time.Time // when it came into its state
	Stuck         bool      // pending for longer than StuckAfter
}

// posting returns the entries of a refund that was made. The posting's id follows from the refund's, so a second one
// is refused by the ledger.
func (r Refund) posting() []Entry {
	posting := id.Of(id.Entry, r.ID)
	back := money.Money{Minor: -r.Amount.Minor, Currency: r.Amount.Currency}
	return []Entry{
		{PostingID: posting, Account: ProviderReceivable, PaymentID: r.PaymentID, Amount: back},
		{PostingID: posting, Account: Refunds, PaymentID: r.PaymentID, Amount: r.Amount},
	}
}

// RefundRequest asks for money of an order to be given back.
type RefundRequest struct {
	OrderID string
	Key     string       // what a repetition of the request is known by
	Amount  *money.Money // nil: what is left
	Reason  string
}

// decide returns the refund that a request makes of a payment with these earlier ones, or the earlier one that it made.
func (q RefundRequest) decide(p Payment, earlier []Refund) (r Refund, again bool, err error) {
	left := p.Amount.Minor
	for _, e := range earlier {
		if e.Key == q.Key {
			if q.Amount != nil && *q.Amount != e.Amount || q.Reason != e.Reason {
				return e, true, fault.New(fault.FailedPrecondition, "REFUND_KEY_REUSED", "key %.80q asked for a refund of %s for %.80q before; use another key for another refund", q.Key, e.Amount, e.Reason)
			}
			return e, true, nil
		}
		if e.State != RefundDeclined {
			left -= e.Amount.Minor
		}
	}
	if p.State != Captured {
		return r, false, fault.New(fault.FailedPrecondition, "PAYMENT_NOT_CAPTURED", "payment %s is %s; only captured money can be refunded", p.ID, p.State)
	}
	amount := money.Money{Minor: left, Currency: p.Amount.Currency}
	if q.Amount != nil {
		if q.Amount.Currency != amount.Currency || q.Amount.Minor <= 0 {
			return r, false, fault.New(fault.Invalid, "REFUND_AMOUNT", "a refund of payment %s is more than nothing and in %s, not %s", p.ID, amount.Currency, q.Amount)
		}
		if q.Amount.Minor > left {
			return r, false, fault.New(fault.FailedPrecondition, "REFUND_EXCEEDS_CAPTURE", "%s of payment %s can still be refunded, not %s", amount, p.ID, q.Amount)
		}
		amount = *q.Amount
	}
	if left <= 0 {
		return r, false, fault.New(fault.FailedPrecondition, "REFUND_EXCEEDS_CAPTURE", "nothing of payment %s is left to refund", p.ID)
	}
	return Refund{Home: p.Home, PaymentID: p.ID, OrderID: p.OrderID, Key: q.Key, State: RefundPending, Amount: amount, Reason: q.Reason}, false, nil
}

// Refunder takes requests for refunds, and ends those that are stuck as a person found that they ended. It is safe for
// concurrent use, also beside workers.
type Refunder struct {
	Store   Store
	Regions *regions.Set
}

// Of returns the payment of an order. Errors: fault.NotFound (PAYMENT_NOT_FOUND).
func (f Refunder) Of(ctx context.Context, orderID string) (p Payment, err error) {
	home, err := id.Home(f.Regions, id.Order, orderID)
	if err != nil {
		return p, fault.Wrap(err, fault.NotFound, "PAYMENT_NOT_FOUND", "%.80q is no order's id", orderID)
	}
	err = f.Store.InTx(ctx, func(tx sqldb.Tx) error {
		found, err := f.Store.Lock(ctx, tx, home, id.Of(id.Payment, orderID))
		p = found.Payment
		return err
	})
	return p, err
}

// Request records a refund for the worker to make, and returns it; a repeated request returns what the first one made,
// as it is by now. Pending and made refunds together are never more than what was captured. Errors: fault.Invalid
// (REFUND_REQUEST, REFUND_AMOUNT), fault.NotFound (PAYMENT_NOT_FOUND), fault.FailedPrecondition
// (PAYMENT_NOT_CAPTURED, REFUND_EXCEEDS_CAPTURE, REFUND_KEY_REUSED).
func (f Refunder) Request(ctx context.Context, q RefundRequest) (Refund, error) {
	if strings.TrimSpace(q.Key) == "" || len(q.Key) > maxRefundText || strings.TrimSpace(q.Reason) == "" || len(q.Reason) > maxRefundText {
		return Refund{}, fault.New(fault.Invalid, "REFUND_REQUEST", "a refund needs a key and a reason, each of up to %d bytes", maxRefundText)
	}
	home, err := id.Home(f.Regions, id.Order, q.OrderID)
	if err != nil {
		return Refund{}, fault.Wrap(err, fault.NotFound, "PAYMENT_NOT_FOUND", "%.80q is no order's id", q.OrderID)
	}
	refundID := id.New(id.Refund, f.Regions.Code(home)) // not in the transaction, which may run again
	var out Refund
	err = f.Store.InTx(ctx, func(tx sqldb.Tx) error {
		// The payment's lock is what makes two requests at once one after the other.
		found, err := f.Store.Lock(ctx, tx, home, id.Of(id.Payment, q.OrderID))
		if err != nil {
			return err
		}
		earlier, err := f.Store.RefundsOf(ctx, tx, home, found.ID)
		if err != nil {
			return err
		}
		var again bool
		if out, again, err = q.decide(found.Payment, earlier); err != nil || again {
			return err
		}
		out.ID = refundID
		return f.Store.InsertRefund(ctx, tx, out)
	})
	return out, err
}

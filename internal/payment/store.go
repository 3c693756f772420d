package payment

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store keeps payments and the ledger at home. It is safe for concurrent use. Methods that take a transaction
// return its errors as they are, so that InTx can tell which to run again; the others return *fault.Error.
type Store interface {
	// InTx runs fn in a transaction, again when it lost against another one.
	InTx(ctx context.Context, fn func(tx sqldb.Tx) error) error
	// Claim takes up to limit due payments of a region, the longest due first, puts each into its Working state
	// and makes it due again after visibility. It skips those that are being claimed elsewhere.
	Claim(ctx context.Context, home regions.Name, limit int, visibility time.Duration) ([]Claim, error)
	// Postpone makes a payment due after a while if it is still in its state.
	Postpone(ctx context.Context, p Payment, after time.Duration) error
	// Insert adds a payment that is due now, unless its order has one, and reports whether it did.
	Insert(ctx context.Context, tx sqldb.Tx, p Payment) (bool, error)
	// Settle writes the state, the reference, the resolution and when the payment is due, if it is still in the state from, and
	// reports whether it was.
	Settle(ctx context.Context, tx sqldb.Tx, p Payment, from State, due Due) (bool, error)
	// Lock reads a payment for this transaction alone; the error is fault.NotFound if there is none.
	Lock(ctx context.Context, tx sqldb.Tx, home regions.Name, id string) (Listed, error)
	// List returns up to limit open payments of a region, or only those that are stuck, the oldest first.
	List(ctx context.Context, home regions.Name, stuck bool, limit int) ([]Listed, error)
	// RefundsOf returns all refunds of a payment.
	RefundsOf(ctx context.Context, tx sqldb.Tx, home regions.Name, paymentID string) ([]Refund, error)
	// InsertRefund adds a refund that is due now.
	InsertRefund(ctx context.Context, tx sqldb.Tx, r Refund) error
	// ClaimRefunds takes up to limit due refunds of a region, as Claim does payments.
	ClaimRefunds(ctx context.Context, home regions.Name, limit int, visibility time.Duration) ([]Refund, error)
	// PostponeRefund makes a refund due after a while if it is still pending.
	PostponeRefund(ctx context.Context, r Refund, after time.Duration) error
	// SettleRefund writes how a refund ended, if it is still pending, and reports when, and whether it was.
	SettleRefund(ctx context.Context, tx sqldb.Tx, r Refund) (at time.Time, mine bool, err error)
	// LockRefund reads a refund for this transaction alone; the error is fault.NotFound if there is none.
	LockRefund(ctx context.Context, tx sqldb.Tx, home regions.Name, id string) (Refund, error)
	// ListRefunds returns up to limit refunds of a region, or only those that are stuck: pending ones first, then the newest.
	ListRefunds(ctx context.Context, home regions.Name, stuck bool, limit int) ([]Refund, error)
	// Announce writes an event.
	Announce(ctx context.Context, tx sqldb.Tx, e event.Event) error
	// Post appends entries to the ledger.
	Post(ctx context.Context, tx sqldb.Tx, home regions.Name, entries []Entry) error
}

// Orders is what payments need of orders. Each change is part of tx and writes its own event. A change that the
// order's state does not allow is fault.FailedPrecondition.
type Orders interface {
	// Confirm notes that the payment is authorized.
	Confirm(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID, paymentID string) error
	// Fulfill notes that the order is handed over and paid for, and its units sold.
	Fulfill(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID string) error
	// Cancel gives the order up and releases its units; reason is UPPER_SNAKE.
	Cancel(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID, reason string) error
}

// Open is how many payments are in a state in which something is owed, and for how long the oldest one has been in it.
type Open struct {
	State  State
	Count  int
	Oldest time.Duration
}

// Opens tells what is open. It is safe for concurrent use; errors are *fault.Error.
type Opens interface {
	// Open returns an entry for each state of a region's payments that a worker is to look at now or later.
	Open(ctx context.Context, home regions.Name) ([]Open, error)
}

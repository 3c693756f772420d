// Package payment takes the money for orders as a saga, outside of every request: a placed order becomes a
// payment, a worker has the provider authorize it, confirms the order, captures when it is fulfilled, and voids
// or cancels where that fails.
//
// Each step is written down before the provider is asked (authorizing, capturing, voiding) and settled in one
// transaction with what follows from it. A step that was written down and not settled has an unknown outcome, so
// the worker asks the provider what happened before it asks again, always with the same idempotency key. So a
// payment is captured at most once, whatever crashes and however many workers there are.
package payment

import (
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// State is where a payment is in its life.
type State string

// The states. In those that end in -ing the provider was, or is about to be, asked.
const (
	Created     State = "created"
	Authorizing State = "authorizing"
	Authorized  State = "authorized" // the money is reserved
	Capturing   State = "capturing"
	Captured    State = "captured" // the money is taken
	Declined    State = "declined"
	Voiding     State = "voiding"
	Voided      State = "voided"   // the reservation is given up
	Disputed    State = "disputed" // a person found that nobody can say what became of the money; it is settled elsewhere
)

// transitions is the whole life of a payment.
var transitions = map[State][]State{
	Created:     {Authorizing},
	Authorizing: {Authorized, Declined, Voided, Disputed},
	Authorized:  {Capturing, Voiding},
	Capturing:   {Captured, Declined, Voided, Disputed},
	Voiding:     {Voided, Disputed},
}

// Final reports whether no transition leads out of s.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// To checks a transition. The error is fault.FailedPrecondition and names both states.
func (s State) To(next State) error {
	if !slices.Contains(transitions[s], next) {
		return fault.New(fault.FailedPrecondition, "PAYMENT_STATE", "a payment cannot go from %s to %s", s, next)
	}
	return nil
}

// Working returns the state that a worker writes down when it takes up a due payment, before it asks the
// provider: authorizing for a created one, capturing for an authorized one, and s itself otherwise.
func (s State) Working() State {
	switch s {
	case Created:
		return Authorizing
	case Authorized:
		return Capturing
	default:
		return s
	}
}

// Payment is the money for one order.
type Payment struct {
	ID          string
	Home        regions.Name
	OrderID     string
	State       State
	Amount      money.Money
	ProviderRef string // the provider's own name for it, "" before it was authorized
	Attempts    int    // at the step that it is at
	Resolution  string // why a person said how it ended, or ""
	Traceparent string // of the order's placing, or ""
}

// StuckAfter is how long the provider may leave a payment's step without an end. Such a payment is stuck: it is asked
// about as ever, every half a minute, and a person may say how it ended.
const StuckAfter = 10 * time.Minute

// Listed is an open payment as a person is shown it.
type Listed struct {
	Payment
	Since time.Time // when it came into its state
	Stuck bool
	At    time.Time // when this was read, by the database's clock
}

// The accounts of the ledger.
const (
	ProviderReceivable = "provider_receivable" // what the provider owes
	Sales              = "sales"               // what was earned, negative
)

// Entry is one line of a posting in the ledger. The lines of a posting sum to zero.
type Entry struct {
	PostingID string
	Account   string
	PaymentID string
	Amount    money.Money
}

// posting returns the entries of the payment's capture. The posting's id follows from the payment's, so a second
// one for the same payment is refused by the ledger.
func (p Payment) posting() []Entry {
	posting := string(id.Entry) + strings.TrimPrefix(p.ID, string(id.Payment))
	sold := money.Money{Minor: -p.Amount.Minor, Currency: p.Amount.Currency}
	return []Entry{
		{PostingID: posting, Account: ProviderReceivable, PaymentID: p.ID, Amount: p.Amount},
		{PostingID: posting, Account: Sales, PaymentID: p.ID, Amount: sold},
	}
}

// Claim is a payment that a worker took up: it is due again after a while unless it is settled.
type Claim struct {
	Payment
	Fresh bool // the step was begun by this claim, so the provider was not asked yet
}

// Due says when a worker should look at a payment next.
type Due struct {
	Never bool
	After time.Duration // by the database's clock
}

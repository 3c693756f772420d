// Package order turns carts into orders and keeps their life: one declared table of transitions, one
// transaction at home to place, an idempotency key that makes a repeated call harmless.
package order

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// State is where an order is in its life.
type State string

// The states.
const (
	PendingPayment State = "pending_payment" // placed, stock reserved
	Confirmed      State = "confirmed"       // payment authorized
	Fulfilled      State = "fulfilled"       // handed over, paid, units sold
	Canceled       State = "canceled"        // given up, stock released
)

// transitions says which states may follow which. What is not in it does not happen.
var transitions = map[State][]State{
	PendingPayment: {Confirmed, Canceled},
	Confirmed:      {Fulfilled, Canceled},
}

// ReasonOverdue is why an order is canceled whose payment was not decided before its deadline.
const ReasonOverdue = "PAYMENT_OVERDUE"

// Final reports whether no transition leads out of s.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// To checks a transition. The error is fault.FailedPrecondition and names both states.
func (s State) To(next State) error {
	if !slices.Contains(transitions[s], next) {
		return fault.New(fault.FailedPrecondition, "ORDER_STATE", "an order cannot go from %s to %s", s, next)
	}
	return nil
}

// Order is what a user bought, or tries to.
type Order struct {
	ID           string
	Home         regions.Name
	UserID       string
	State        State
	CancelReason string // UPPER_SNAKE, empty unless canceled
	Lines        []Line
	Adjustments  []checkout.Adjustment `json:",omitempty"` // of the rules of pricing; they and the lines sum to the total
	Total        money.Money
	Version      int64 // counts changes from 1: the sequence of the order's events
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Line is one variant of an order as it was called, and at the price, when the order was placed.
type Line struct {
	Variant   string // "" in answers that were kept before there were ids: the SKU
	SKU       string
	Title     string
	Quantity  int64
	UnitPrice money.Money
}

// Compose makes the order that a quote of the cart turns into at a time. Errors: fault.FailedPrecondition (CART_EMPTY,
// SKU_NOT_SOLD, PRICE_MISSING), fault.Aborted (TOTAL_CHANGED).
func Compose(p Placement, q checkout.Quote, at time.Time) (Order, error) {
	if err := q.Orderable(); err != nil {
		return Order{}, err
	}
	if p.ExpectedTotal != (money.Money{}) && p.ExpectedTotal != q.Total {
		return Order{}, fault.New(fault.Aborted, "TOTAL_CHANGED", "the total is %s now; read the cart and its prices again", q.Total)
	}
	o := Order{
		ID:          p.ID,
		Home:        p.Home,
		UserID:      p.UserID,
		State:       PendingPayment,
		Adjustments: q.Adjustments,
		Total:       q.Total,
		Version:     1,
		CreatedAt:   at,
		UpdatedAt:   at,
	}
	for _, l := range q.Lines {
		o.Lines = append(o.Lines, Line{Variant: l.Variant, SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice})
	}
	return o, nil
}

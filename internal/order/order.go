// Package order turns carts into orders and keeps their life: one declared table of transitions, one
// transaction at home to place, an idempotency key that makes a repeated call harmless.
package order

import (
	"slices"
	"time"

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

// transitions is the whole life of an order.
var transitions = map[State][]State{
	PendingPayment: {Confirmed, Canceled},
	Confirmed:      {Fulfilled, Canceled},
}

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
	Total        money.Money
	Version      int64 // counts changes from 1: the sequence of the order's events
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Line is one SKU of an order at the price of the moment it was placed.
type Line struct {
	SKU       string
	Title     string
	Quantity  int64
	UnitPrice money.Money
}

// Offer is what a SKU costs now. Minor is nil where it has no price in the currency.
type Offer struct {
	Title string
	Minor *int64
}

// Price turns cart items into lines and a total. Errors: fault.FailedPrecondition (CART_EMPTY, SKU_NOT_SOLD,
// PRICE_MISSING), fault.Invalid (TOTAL_TOO_LARGE).
func Price(items map[string]int64, offers map[string]Offer, currency money.Currency) ([]Line, money.Money, error) {
	if len(items) == 0 {
		return nil, money.Money{}, fault.New(fault.FailedPrecondition, "CART_EMPTY", "the cart is empty; add an item first")
	}
	total := money.Money{Currency: currency}
	lines := make([]Line, 0, len(items))
	for sku, quantity := range items {
		offer, sold := offers[sku]
		switch {
		case !sold:
			return nil, total, fault.New(fault.FailedPrecondition, "SKU_NOT_SOLD", "SKU %s is not sold any more; remove it from the cart", sku).With("sku", sku)
		case offer.Minor == nil:
			return nil, total, fault.New(fault.FailedPrecondition, "PRICE_MISSING", "SKU %s has no price in %s", sku, currency).With("sku", sku)
		}
		line := Line{SKU: sku, Title: offer.Title, Quantity: quantity, UnitPrice: money.Money{Minor: *offer.Minor, Currency: currency}}
		amount, err := line.UnitPrice.Times(quantity)
		if err == nil {
			total, err = total.Add(amount)
		}
		if err != nil {
			return nil, total, fault.Wrap(err, fault.Invalid, "TOTAL_TOO_LARGE", "the total of the order is too large")
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Line) int {
		if a.SKU < b.SKU {
			return -1
		}
		return 1
	})
	return lines, total, nil
}

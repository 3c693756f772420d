package order_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
)

func TestTransitions(t *testing.T) {
	t.Parallel()
	states := []order.State{order.PendingPayment, order.Confirmed, order.Fulfilled, order.Canceled}
	allowed := map[[2]order.State]bool{
		{order.PendingPayment, order.Confirmed}: true,
		{order.PendingPayment, order.Canceled}:  true,
		{order.Confirmed, order.Fulfilled}:      true,
		{order.Confirmed, order.Canceled}:       true,
	}
	for _, from := range states {
		ways := 0
		for _, to := range append(states, "", "shipped") {
			err := from.To(to)
			if allowed[[2]order.State{from, to}] {
				if ways++; err != nil {
					t.Errorf("%s to %s: %v", from, to, err)
				}
				continue
			}
			if fault.Reason(err) != "ORDER_STATE" || !fault.Is(err, fault.FailedPrecondition) ||
				!strings.Contains(err.Error(), string(from)) || !strings.Contains(err.Error(), string(to)) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
		if from.Final() != (ways == 0) {
			t.Errorf("%s has %d ways out and is final: %t", from, ways, from.Final())
		}
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	eur := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }
	quote := checkout.Quote{
		Currency: "EUR", Subtotal: eur(1500), Total: eur(1500),
		Lines: []checkout.Line{
			{Variant: "a", SKU: "A", Title: "Pot", Quantity: 1, UnitPrice: eur(1000), Previous: eur(1200), Amount: eur(1000), Total: eur(1000)},
			{SKU: "B", Title: "Tea", Quantity: 2, UnitPrice: eur(250), Amount: eur(500), Total: eur(500)},
		},
	}
	p := order.Placement{ID: "o", Home: "eu-west-1", UserID: "u", Currency: "EUR", ExpectedTotal: eur(1500)}
	want := order.Order{
		ID: "o", Home: "eu-west-1", UserID: "u", State: order.PendingPayment, Total: eur(1500), Version: 1, CreatedAt: now, UpdatedAt: now,
		Lines: []order.Line{{Variant: "a", SKU: "A", Title: "Pot", Quantity: 1, UnitPrice: eur(1000)}, {SKU: "B", Title: "Tea", Quantity: 2, UnitPrice: eur(250)}},
	}
	got, err := order.Compose(p, quote, now)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, expected := range []money.Money{eur(1499), {Minor: 1500, Currency: "USD"}} {
		p.ExpectedTotal = expected
		if _, err := order.Compose(p, quote, now); fault.Reason(err) != "TOTAL_CHANGED" || !fault.Is(err, fault.Aborted) || !strings.Contains(err.Error(), "15.00 EUR") {
			t.Errorf("%s is expected: %v", expected, err)
		}
	}
	p.ExpectedTotal = money.Money{}
	if _, err := order.Compose(p, quote, now); err != nil {
		t.Errorf("nothing is expected: %v", err)
	}
	quote.Unavailable = []checkout.Unavailable{{SKU: "C", Quantity: 1, Reason: checkout.NotSold}}
	if _, err := order.Compose(p, quote, now); fault.Reason(err) != "SKU_NOT_SOLD" || !fault.Is(err, fault.FailedPrecondition) {
		t.Errorf("part of it is not sold: %v", err)
	}
}

package order_test

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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

func TestPrice(t *testing.T) {
	t.Parallel()
	offers := map[string]order.Offer{
		"B": {Title: "Tea", Minor: new(int64(250))}, "A": {Title: "Pot", Minor: new(int64(1000))}, "free": {Title: "Sample", Minor: new(int64(0))}, "USD only": {Title: "Cup"},
	}
	lines, total, err := order.Price(map[string]int64{"B": 3, "A": 1, "free": 2}, offers, "EUR")
	want := []order.Line{
		{SKU: "A", Title: "Pot", Quantity: 1, UnitPrice: money.Money{Minor: 1000, Currency: "EUR"}},
		{SKU: "B", Title: "Tea", Quantity: 3, UnitPrice: money.Money{Minor: 250, Currency: "EUR"}},
		{SKU: "free", Title: "Sample", Quantity: 2, UnitPrice: money.Money{Currency: "EUR"}},
	}
	if diff := cmp.Diff(want, lines); err != nil || diff != "" || total != (money.Money{Minor: 1750, Currency: "EUR"}) {
		t.Errorf("total %s, %v\n%s", total, err, diff)
	}
	for reason, items := range map[string]map[string]int64{
		"CART_EMPTY": {}, "SKU_NOT_SOLD": {"A": 1, "gone": 1}, "PRICE_MISSING": {"A": 1, "USD only": 1},
	} {
		if lines, _, err := order.Price(items, offers, "EUR"); fault.Reason(err) != reason || !fault.Is(err, fault.FailedPrecondition) || lines != nil {
			t.Errorf("%s: %v, %v", reason, lines, err)
		}
	}
	if _, _, err := order.Price(nil, nil, "EUR"); fault.Reason(err) != "CART_EMPTY" {
		t.Errorf("no items: %v", err)
	}
}

// A total is the sum over its lines, or refused where that does not fit.
func TestTotalIsTheSumOfTheLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.MapOfN(rapid.StringN(1, 4, -1), rapid.Int64Range(1, 99), 1, 20).Draw(t, "items")
		price := rapid.OneOf(rapid.Int64Range(0, 100000), rapid.Int64Range(0, math.MaxInt64))
		offers, sum := map[string]order.Offer{}, new(big.Int)
		for _, sku := range slices.Sorted(maps.Keys(items)) {
			n := price.Draw(t, "price of "+sku)
			offers[sku] = order.Offer{Title: sku, Minor: &n}
			sum.Add(sum, new(big.Int).Mul(big.NewInt(n), big.NewInt(items[sku])))
		}
		lines, total, err := order.Price(items, offers, "JPY")
		if !sum.IsInt64() {
			if fault.Reason(err) != "TOTAL_TOO_LARGE" || !fault.Is(err, fault.Invalid) {
				t.Fatalf("%s does not fit, and the total is %s, %v", sum, total, err)
			}
			return
		}
		if err != nil || total != (money.Money{Minor: sum.Int64(), Currency: "JPY"}) || len(lines) != len(items) {
			t.Fatalf("total %s of %d lines, %v; want %s of %d", total, len(lines), err, sum, len(items))
		}
		for i, l := range lines {
			if l.Quantity != items[l.SKU] || l.UnitPrice.Minor != *offers[l.SKU].Minor || (i > 0 && lines[i-1].SKU >= l.SKU) {
				t.Fatalf("line %d is %+v of %v", i, l, lines)
			}
		}
	})
}

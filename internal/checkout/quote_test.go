package checkout_test

import (
	"errors"
	"maps"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

func items(quantities map[string]int64) map[string]checkout.Item {
	out := map[string]checkout.Item{}
	for sku, n := range quantities {
		out[sku] = checkout.Item{Quantity: n}
	}
	return out
}

func TestQuote(t *testing.T) {
	t.Parallel()
	offers := map[string]checkout.Offer{
		"A": {Title: "Pot", Price: eur(1000)}, "B": {SKU: "TEA", Title: "Tea", Price: eur(250)},
		"free": {Title: "Sample", Price: eur(0)}, "USD only": {Title: "Cup"}, "not asked for": {Title: "Tin", Price: eur(1)},
	}
	cart := checkout.Cart{Currency: "EUR", Items: map[string]checkout.Item{
		"free":     {Quantity: 2, Seen: eur(100)},
		"B":        {Quantity: 3, Seen: eur(250)},
		"A":        {Quantity: 1, Seen: money.Money{Minor: 1200, Currency: "USD"}},
		"USD only": {Quantity: 4},
		"gone":     {Quantity: 5, Seen: eur(300)},
	}}
	got, err := checkout.Rules{}.Quote(cart, offers)
	want := checkout.Quote{
		Currency: "EUR",
		Lines: []checkout.Line{
			{Variant: "A", SKU: "A", Title: "Pot", Quantity: 1, UnitPrice: eur(1000), Amount: eur(1000), Total: eur(1000)},
			{Variant: "B", SKU: "TEA", Title: "Tea", Quantity: 3, UnitPrice: eur(250), Amount: eur(750), Total: eur(750)},
			{Variant: "free", SKU: "free", Title: "Sample", Quantity: 2, UnitPrice: eur(0), Previous: eur(100), Amount: eur(0), Total: eur(0)},
		},
		Unavailable: []checkout.Unavailable{{Variant: "USD only", SKU: "USD only", Quantity: 4, Reason: checkout.NoPrice}, {Variant: "gone", SKU: "gone", Quantity: 5, Reason: checkout.NotSold}},
		Subtotal:    eur(1750),
		Total:       eur(1750),
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestOrderable(t *testing.T) {
	t.Parallel()
	offers := map[string]checkout.Offer{"A": {Price: eur(1000)}, "USD only": {}}
	for _, c := range []struct {
		items       map[string]int64
		reason, sku string
	}{
		{map[string]int64{"A": 1}, "", ""},
		{map[string]int64{}, "CART_EMPTY", ""},
		{nil, "CART_EMPTY", ""},
		{map[string]int64{"A": 1, "gone": 1}, "SKU_NOT_SOLD", "gone"},
		{map[string]int64{"gone": 1}, "SKU_NOT_SOLD", "gone"},
		{map[string]int64{"A": 1, "USD only": 1}, "PRICE_MISSING", "USD only"},
		{map[string]int64{"A": 1, "USD only": 1, "gone": 1}, "PRICE_MISSING", "USD only"}, // the first by SKU
	} {
		q, err := checkout.Rules{}.Quote(checkout.Cart{Currency: "EUR", Items: items(c.items)}, offers)
		if err != nil {
			t.Errorf("%v: %v", c.items, err)
			continue
		}
		err = q.Orderable()
		var f *fault.Error
		switch {
		case c.reason == "":
			if err != nil {
				t.Errorf("%v: %v", c.items, err)
			}
		case !errors.As(err, &f) || f.Reason != c.reason || f.Kind != fault.FailedPrecondition || f.Metadata["sku"] != c.sku:
			t.Errorf("%v: %#v, want %s of %q", c.items, err, c.reason, c.sku)
		}
	}
}

// Prices that the catalog must not have are refused by name rather than added up.
func TestPricesThatCannotBe(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "USD"} }
	for name, c := range map[string]struct {
		price money.Money
		units int64
		kind  fault.Kind
		want  error
	}{
		"a price below zero":   {eur(-1), 1, fault.Internal, checkout.ErrNegative},
		"another currency":     {usd(1), 1, fault.Internal, money.ErrMismatch},
		"nothing, of another":  {usd(0), 1, fault.Internal, money.ErrMismatch},
		"more than fits":       {eur(math.MaxInt64/2 + 1), 2, fault.Invalid, money.ErrOverflow},
		"fewer units than one": {eur(1), -1, fault.Invalid, money.ErrOverflow},
	} {
		cart := checkout.Cart{Currency: "EUR", Items: map[string]checkout.Item{"A": {Quantity: 1}, "B": {Quantity: c.units}}}
		q, err := checkout.Rules{}.Quote(cart, map[string]checkout.Offer{"A": {Price: eur(5)}, "B": {Price: c.price}})
		if !errors.Is(err, c.want) || !fault.Is(err, c.kind) || q.Lines != nil {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

// drawn is a cart whose SKUs have offers, and what its lines cost without any rule.
type drawn struct {
	cart   checkout.Cart
	offers map[string]checkout.Offer
	sum    *big.Int
}

func draw(t *rapid.T, price *rapid.Generator[int64]) drawn {
	quantities := rapid.MapOfN(rapid.StringN(1, 4, -1), rapid.Int64Range(1, 99), 0, 20).Draw(t, "items")
	d := drawn{checkout.Cart{Currency: "EUR", Items: items(quantities)}, map[string]checkout.Offer{}, new(big.Int)}
	for _, sku := range slices.Sorted(maps.Keys(quantities)) {
		n := price.Draw(t, "price of "+sku)
		d.offers[sku] = checkout.Offer{Title: sku, Price: eur(n)}
		d.sum.Add(d.sum, new(big.Int).Mul(big.NewInt(n), big.NewInt(quantities[sku])))
	}
	return d
}

// A total is the sum over the lines, or refused where that does not fit.
func TestTotalIsTheSumOfTheLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t, rapid.OneOf(rapid.Int64Range(0, 100000), rapid.Int64Range(0, math.MaxInt64)))
		q, err := checkout.Rules{}.Quote(d.cart, d.offers)
		if !d.sum.IsInt64() {
			if fault.Reason(err) != "TOTAL_TOO_LARGE" || !fault.Is(err, fault.Invalid) || !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%s does not fit, and the total is %s, %v", d.sum, q.Total, err)
			}
			return
		}
		if err != nil || q.Total != eur(d.sum.Int64()) || q.Subtotal != q.Total || len(q.Lines) != len(d.cart.Items) {
			t.Fatalf("total %s of %d lines, %v; want %s of %d", q.Total, len(q.Lines), err, d.sum, len(d.cart.Items))
		}
		for i, l := range q.Lines {
			if l.Quantity != d.cart.Items[l.SKU].Quantity || l.UnitPrice != d.offers[l.SKU].Price || (i > 0 && q.Lines[i-1].SKU >= l.SKU) {
				t.Fatalf("line %d is %+v of %v", i, l, q.Lines)
			}
		}
	})
}

package cart_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

func TestWithCode(t *testing.T) {
	t.Parallel()
	c, err := cart.Cart{Currency: "EUR"}.With("A", 1, money.Money{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range cart.MaxCodes {
		before := c
		if c, err = c.WithCode(fmt.Sprint("CODE", cart.MaxCodes-i)); err != nil || c.Version != before.Version+1 || len(c.Codes) != i+1 || len(before.Codes) != i {
			t.Fatalf("%+v from %+v, %v", c, before, err)
		}
	}
	if !slices.IsSorted(c.Codes) {
		t.Errorf("codes are %v", c.Codes)
	}
	if again, err := c.WithCode("CODE1"); err != nil || again.Version != c.Version {
		t.Errorf("one that it has: %+v, %v", again, err)
	}
	if _, err := c.WithCode("MORE"); fault.Reason(err) != "PROMOTION_CODES_TOO_MANY" || !fault.Is(err, fault.Invalid) {
		t.Errorf("one too many: %v", err)
	}
	next, err := c.With("A", 2, money.Money{})
	if diff := cmp.Diff(c.Codes, next.Codes); err != nil || diff != "" || next.Currency != "EUR" {
		t.Errorf("after a change: %+v, %v\n%s", next, err, diff)
	}
	if less := next.WithoutCode("code1 "); slices.Contains(less.Codes, "CODE1") || len(less.Codes) != cart.MaxCodes-1 || len(next.Codes) != cart.MaxCodes || less.Version != next.Version+1 {
		t.Errorf("%+v from %+v", less, next)
	}
	if same := next.WithoutCode("MORE"); same.Version != next.Version {
		t.Errorf("without one that it has not: %+v", same)
	}
}

// A cart is a pure map: it agrees with a model after any changes, no cart changes that was handed out, and its
// version counts the changes.
func TestWithIsAPureMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type handedOut struct {
			cart cart.Cart
			was  map[string]int64
		}
		model, prices := map[string]int64{}, map[string]money.Money{}
		var c cart.Cart
		var past []handedOut
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			sku := rapid.SampledFrom([]string{"A", "B", "C", "", "ü"}).Draw(t, "sku")
			quantity := rapid.OneOf(rapid.Int64Range(-1, 3), rapid.Int64Range(98, 100), rapid.Int64()).Draw(t, "quantity")
			past = append(past, handedOut{c, maps.Clone(model)})
			// 0 is a price that is not known.
			var price money.Money
			if minor := rapid.Int64Range(0, 9).Draw(t, "price"); minor > 0 {
				price = money.Money{Minor: minor, Currency: "EUR"}
			}
			next, err := c.With(sku, quantity, price)
			changes := model[sku] != quantity
			if quantity < 0 || quantity > cart.MaxQuantity {
				if fault.Reason(err) != "QUANTITY_INVALID" || !fault.Is(err, fault.Invalid) {
					t.Fatalf("With(%q, %d): %v", sku, quantity, err)
				}
				changes = false
			} else if err != nil {
				t.Fatal(err)
			}
			if grew := next.Version - c.Version; (grew == 1) != changes || (grew != 0 && grew != 1) {
				t.Fatalf("With(%q, %d) of %v went from version %d to %d", sku, quantity, c.Items, c.Version, next.Version)
			}
			if changes {
				model[sku] = quantity
				prices[sku] = price
				if quantity == 0 {
					delete(model, sku)
				}
				if quantity == 0 || price == (money.Money{}) {
					delete(prices, sku)
				}
			}
			if len(next.Prices) != len(prices) || (len(prices) > 0 && !maps.Equal(next.Prices, prices)) {
				t.Fatalf("after With(%q, %d, %s) the prices are %v, want %v", sku, quantity, price, next.Prices, prices)
			}
			c = next
		}
		past = append(past, handedOut{c, model})
		for _, p := range past {
			if len(p.cart.Items) != len(p.was) || (len(p.was) > 0 && !maps.Equal(p.cart.Items, p.was)) {
				t.Fatalf("version %d holds %v, want %v", p.cart.Version, p.cart.Items, p.was)
			}
		}
	})
}

func TestWithHoldsSoMany(t *testing.T) {
	t.Parallel()
	var c cart.Cart
	var err error
	for i := range cart.MaxItems {
		if c, err = c.With(fmt.Sprint(i), 1, money.Money{}); err != nil {
			t.Fatal(err)
		}
	}
	if full, err := c.With("one more", 1, money.Money{}); fault.Reason(err) != "CART_FULL" || full.Version != c.Version {
		t.Errorf("item %d: %v", cart.MaxItems+1, err)
	}
	if _, err := c.With("not there", 0, money.Money{}); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	if _, err := c.With("7", 9, money.Money{}); err != nil {
		t.Errorf("more of what is there: %v", err)
	}
	if c, err = c.With("7", 0, money.Money{}); err != nil || len(c.Items) != cart.MaxItems-1 {
		t.Errorf("%d items after one was removed (%v)", len(c.Items), err)
	}
	if _, err := c.With("one more", 1, money.Money{}); err != nil {
		t.Errorf("in its place: %v", err)
	}
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	then := money.Money{Minor: 250, Currency: "EUR"}
	c := cart.Cart{Items: map[string]int64{"b": 2, "a": 1, "B": 3}, Prices: map[string]money.Money{"a": then, "left over": then}}
	want := checkout.Cart{Currency: "USD", Items: map[string]checkout.Item{"B": {Quantity: 3}, "a": {Quantity: 1, Seen: then}, "b": {Quantity: 2}}}
	if diff := cmp.Diff(want, c.Checkout("USD")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"B", "a", "b"}, c.Variants()); diff != "" {
		t.Error(diff)
	}
	if got := (cart.Cart{}).Checkout("USD"); len(got.Items) != 0 || len((cart.Cart{}).Variants()) != 0 {
		t.Errorf("an empty cart has %v", got)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	c := cart.Cart{Version: 7}
	for _, etag := range []string{"", c.Etag()} {
		if err := c.Matches(etag); err != nil {
			t.Errorf("%q: %v", etag, err)
		}
	}
	for _, etag := range []string{"v6", "v8", "v70", "7", `"v7"`, "V7", "*"} {
		if err := c.Matches(etag); fault.Reason(err) != "CART_CHANGED" || !fault.Is(err, fault.Aborted) {
			t.Errorf("%q: %v", etag, err)
		}
	}
	if (cart.Cart{}).Etag() == (cart.Cart{Version: 1}).Etag() {
		t.Error("two versions have one etag")
	}
}

package cart_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

var errDown = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")

// store is a cart.Store in memory.
type store struct {
	carts map[string]cart.Cart // by home and user
	down  error
}

func (s *store) Find(_ context.Context, home regions.Name, userID string) (cart.Cart, error) {
	return s.carts[string(home)+userID], s.down
}

func (s *store) Change(_ context.Context, home regions.Name, userID string, change func(cart.Cart) (cart.Cart, error)) (cart.Cart, error) {
	if s.down != nil {
		return cart.Cart{}, s.down
	}
	after, err := change(s.carts[string(home)+userID])
	if err == nil {
		s.carts[string(home)+userID] = after
	}
	return after, err
}

// skus is a cart.SKUs of what is sold.
type skus struct {
	sold  map[string]bool
	asked int
	down  error
}

func (s *skus) Sold(_ context.Context, sku string) (bool, error) {
	s.asked++
	return s.sold[sku], s.down
}

func open() (*cart.Service, *store, *skus) {
	s, k := &store{carts: map[string]cart.Cart{}}, &skus{sold: map[string]bool{"A": true, "B": true}}
	return cart.New(s, k), s, k
}

func TestSetItem(t *testing.T) {
	t.Parallel()
	s, _, sold := open()
	for _, step := range []struct {
		name     string
		sku      string
		quantity int64
		etag     string
		reason   string
		kind     fault.Kind
		want     map[string]int64
	}{
		{"an item", "A", 2, "", "", 0, map[string]int64{"A": 2}},
		{"the same again", "A", 2, "", "", 0, map[string]int64{"A": 2}},
		{"with the etag", "B", 1, "v1", "", 0, map[string]int64{"A": 2, "B": 1}},
		{"with an old etag", "B", 5, "v1", "CART_CHANGED", fault.Aborted, map[string]int64{"A": 2, "B": 1}},
		{"the same, with an old etag", "B", 1, "v1", "CART_CHANGED", fault.Aborted, map[string]int64{"A": 2, "B": 1}},
		{"what nobody sells", "C", 1, "", "SKU_NOT_FOUND", fault.NotFound, map[string]int64{"A": 2, "B": 1}},
		{"too many", "A", 100, "", "QUANTITY_INVALID", fault.Invalid, map[string]int64{"A": 2, "B": 1}},
		{"less than none", "A", -1, "", "QUANTITY_INVALID", fault.Invalid, map[string]int64{"A": 2, "B": 1}},
		{"none", "A", 0, "", "", 0, map[string]int64{"B": 1}},
	} {
		c, err := s.SetItem(t.Context(), "eu-west-1", "u", step.sku, step.quantity, step.etag)
		if fault.Reason(err) != step.reason || (err != nil && !fault.Is(err, step.kind)) || (err != nil) != (step.reason != "") {
			t.Errorf("%s: %v", step.name, err)
		}
		now, findErr := s.Cart(t.Context(), "eu-west-1", "u")
		if diff := cmp.Diff(step.want, now.Items); findErr != nil || diff != "" {
			t.Errorf("%s: %v\n%s", step.name, findErr, diff)
		}
		if err == nil && c.Etag() != now.Etag() {
			t.Errorf("%s: answered %s, stored %s", step.name, c.Etag(), now.Etag())
		}
	}
	asked := sold.asked
	sold.sold["B"] = false // withdrawn, and yet it can be taken out of the cart
	if c, err := s.SetItem(t.Context(), "eu-west-1", "u", "B", 0, ""); err != nil || len(c.Items) != 0 || sold.asked != asked {
		t.Errorf("got %v, %v", c.Items, err)
	}
	for _, other := range []regions.Name{"us-east-1", "eu-west-1"} {
		if c, err := s.Cart(t.Context(), other, "v"); err != nil || c.Version != 0 {
			t.Errorf("another user's cart is %v, %v", c, err)
		}
	}
}

func TestFailuresPassThrough(t *testing.T) {
	t.Parallel()
	s, stored, sold := open()
	sold.down = errDown
	if _, err := s.SetItem(t.Context(), "eu-west-1", "u", "A", 1, ""); !errors.Is(err, errDown) || len(stored.carts) != 0 {
		t.Errorf("without the catalog: %v, %v", err, stored.carts)
	}
	sold.down, stored.down = nil, errDown
	if _, err := s.SetItem(t.Context(), "eu-west-1", "u", "A", 1, ""); !errors.Is(err, errDown) {
		t.Errorf("without the store: %v", err)
	}
	if _, err := s.Cart(t.Context(), "eu-west-1", "u"); !errors.Is(err, errDown) {
		t.Errorf("without the store: %v", err)
	}
}

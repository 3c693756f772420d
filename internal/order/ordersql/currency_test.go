package ordersql_test

import (
	"cmp"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/regions"
)

// abroad adds to the shop a price of A in USD, and an account of each user, which is in EUR.
func (s *shop) abroad(users ...string) *accountsql.Store {
	s.t.Helper()
	products := catalogsql.New(s.db, regions.Default(), s.clock)
	_, err := products.Put(s.t.Context(), []catalog.Product{{Handle: "tea", Title: "Tea", Active: true, Partial: true, Variants: []catalog.Variant{
		{SKU: "A", Title: "Large", Prices: []money.Money{{Minor: 1100, Currency: "USD"}}},
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
	accounts := accountsql.New(s.db)
	for _, user := range users {
		a := account.Account{ID: user, Home: home, Email: user, Currency: "EUR", CreatedAt: s.clock()}
		if err := accounts.Create(s.t.Context(), []byte(user), nil, a, "hash"); err != nil {
			s.t.Fatal(err)
		}
	}
	return accounts
}

// An order is placed in the cart's currency, whatever an access token of before says; and who agreed to the cart of before, or
// to its total, has not agreed to this one.
func TestPlaceAfterTheCurrencyChanged(t *testing.T) {
	t.Parallel()
	s := open(t)
	accounts := s.abroad("u")
	set := func(c money.Currency) {
		t.Helper()
		if a, err := accounts.SetCurrency(t.Context(), home, "u", c); err != nil || a.Currency != c {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	s.fill("u", map[string]int64{"A": 2, "B": 1})
	before, err := s.carts.Find(t.Context(), home, "u")
	if err != nil {
		t.Fatal(err)
	}
	set("USD")
	for name, c := range map[string]struct {
		guard  func(*order.Placement)
		reason string
	}{
		"the cart that she saw": {func(p *order.Placement) { p.CartEtag = before.Etag() }, "CART_CHANGED"},
		"an item has no price":  {func(*order.Placement) {}, "PRICE_MISSING"},
	} {
		p := s.placement("u", name)
		c.guard(&p)
		if _, err := s.store.Place(t.Context(), p); fault.Reason(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := s.carts.Find(t.Context(), home, "u"); err != nil || !maps.Equal(after.Items, before.Items) {
		t.Errorf("the cart had %v and has %v (%v)", before.Items, after.Items, err)
	}
	s.fill("u", map[string]int64{"B": 0})
	p := s.placement("u", "total")
	p.ExpectedTotal = money.Money{Minor: 2000, Currency: "EUR"}
	if _, err := s.store.Place(t.Context(), p); fault.Reason(err) != "TOTAL_CHANGED" {
		t.Errorf("the total that she saw: %v", err)
	}
	p.ExpectedTotal = money.Money{Minor: 2200, Currency: "USD"}
	placed, err := s.store.Place(t.Context(), p)
	if err != nil || placed.Total != p.ExpectedTotal || placed.Lines[0].UnitPrice.Currency != "USD" {
		t.Errorf("%+v, %v", placed, err)
	}
	set("EUR")
	again, err := s.store.Place(t.Context(), p) // repeated, it is the order that it was
	if err != nil || again.ID != placed.ID || again.Total != placed.Total {
		t.Errorf("%+v, %v", again, err)
	}
	s.fill("u", map[string]int64{"A": 1})
	next, err := s.store.Place(t.Context(), s.placement("u", "next"))
	if err != nil || next.Total != (money.Money{Minor: 1000, Currency: "EUR"}) {
		t.Errorf("%+v, %v", next, err)
	}
	s.lint()
}

// Whoever orders while the currency changes is charged what she agreed to, or nothing: by either guard, in each interleaving
// that this machine finds.
func TestPlaceWhileTheCurrencyChanges(t *testing.T) {
	t.Parallel()
	const rounds = 5 // of two users: the region has ten units
	s := open(t)
	var users []string
	for i := range rounds {
		for _, guard := range []string{"etag", "total"} {
			users = append(users, fmt.Sprintf("%s-%d", guard, i))
		}
	}
	accounts := s.abroad(users...)
	list := map[money.Currency]money.Money{"EUR": {Minor: 1000, Currency: "EUR"}, "USD": {Minor: 1100, Currency: "USD"}}
	for _, user := range users {
		s.fill(user, map[string]int64{"A": 1})
		seen, err := s.carts.Find(t.Context(), home, user)
		if err != nil {
			t.Fatal(err)
		}
		p := s.placement(user, "k")
		agreed := list[cmp.Or(seen.Currency, p.Currency)]
		if user[0] == 'e' {
			p.CartEtag = seen.Etag()
		} else {
			p.ExpectedTotal = agreed
		}
		var placed order.Order
		var refused, changed error
		var together sync.WaitGroup
		together.Go(func() { placed, refused = s.store.Place(t.Context(), p) })
		together.Go(func() { _, changed = accounts.SetCurrency(t.Context(), home, user, "USD") })
		together.Wait()
		after, err := s.carts.Find(t.Context(), home, user)
		if changed != nil || err != nil || after.Currency != "USD" {
			t.Fatalf("%s: the cart is in %q (%v, %v)", user, after.Currency, changed, err)
		}
		switch reason := fault.Reason(refused); {
		case refused == nil:
			if placed.Total != agreed || len(after.Items) != 0 {
				t.Errorf("%s agreed to %s and pays %s; her cart has %v", user, agreed, placed.Total, after.Items)
			}
		case reason != "CART_CHANGED" && reason != "TOTAL_CHANGED" && reason != "IDEMPOTENCY_KEY_IN_FLIGHT":
			t.Errorf("%s: %v", user, refused)
		case after.Items["A"] != 1:
			t.Errorf("%s: nothing was ordered, and her cart has %v", user, after.Items)
		}
	}
	s.lint()
}

package ordersql_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
)

// An order is placed by the promotions that run by the database's time, and by the codes that its cart holds; before the other
// rules of the shop. It empties the cart of codes too.
func TestPlaceByPromotions(t *testing.T) {
	t.Parallel()
	s := open(t)
	all := []promotion.Promotion{
		{ID: "begun", Name: "n", BasisPoints: 1000, From: s.now().Add(-time.Hour), Until: s.now().Add(time.Hour), Enabled: true},
		{ID: "coded", Name: "n", Code: "CODE", BasisPoints: 5000, Variants: []string{"B"}, Enabled: true},
		{ID: "later", Name: "n", BasisPoints: 1, From: s.now().Add(time.Hour), Enabled: true},
		{ID: "off", Name: "n", BasisPoints: 1},
		{ID: "past", Name: "n", BasisPoints: 1, Until: s.now(), Enabled: true},
		{ID: "unused", Name: "n", Code: "OTHER", BasisPoints: 1, Enabled: true},
	}
	if err := promotionsql.New(s.db).Put(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	s.fill("u", map[string]int64{"A": 1, "B": 2})
	if _, err := s.carts.Change(t.Context(), home, "u", func(c cart.Cart) (cart.Cart, error) { return c.WithCode("CODE") }); err != nil {
		t.Fatal(err)
	}
	p := s.placement("u", "k")
	placed, err := s.store.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	off := func(source, sku string, minor int64, code string) checkout.Adjustment {
		return checkout.Adjustment{Source: source, Kind: checkout.Discount, SKU: sku, Amount: money.Money{Minor: minor, Currency: "EUR"}, Code: code}
	}
	want := []checkout.Adjustment{off("promotion/begun", "A", -100, ""), off("promotion/begun", "B", -50, ""), off("promotion/coded", "B", -225, "CODE")}
	if diff := cmp.Diff(want, placed.Adjustments); diff != "" || placed.Total.Minor != 1125 {
		t.Errorf("total %s\n%s", placed.Total, diff)
	}
	if c, err := s.carts.Find(t.Context(), home, "u"); err != nil || len(c.Codes) != 0 {
		t.Errorf("the cart still has %v, %v", c.Codes, err)
	}
	read, err := s.store.Find(t.Context(), home, p.ID)
	if diff := cmp.Diff(placed, read); err != nil || diff != "" {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	s.lint()
}

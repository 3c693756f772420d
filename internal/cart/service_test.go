package cart_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
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

// offers is a cart.Offers of what is sold.
type offers struct {
	sold  map[string]checkout.Offer
	asked [][]string
	down  error // after so many more calls
	after int
}

func (o *offers) Offers(_ context.Context, skus []string, _ money.Currency) (map[string]checkout.Offer, error) {
	o.asked = append(o.asked, skus)
	if o.down != nil {
		if o.after == 0 {
			return nil, o.down
		}
		o.after--
	}
	out := map[string]checkout.Offer{}
	for _, sku := range skus {
		if offer, ok := o.sold[sku]; ok {
			out[sku] = offer
		}
	}
	return out, nil
}

// Offer has A under the SKU A-2 too.
func (o *offers) Offer(ctx context.Context, sku string, currency money.Currency) (string, *checkout.Offer, error) {
	variant := strings.TrimSuffix(sku, "-2")
	found, err := o.Offers(ctx, []string{variant}, currency)
	if offer, sold := found[variant]; sold {
		return variant, &offer, err
	}
	return variant, nil, err
}

// promotions is a cart.Promotions of one, with the code HALF.
type promotions struct{ down error }

func (p *promotions) Rules(_ context.Context, codes []string) (checkout.Rules, error) {
	if !slices.Contains(codes, "HALF") {
		return nil, p.down
	}
	return checkout.Rules{func(q checkout.Quote) ([]checkout.Adjustment, error) {
		return []checkout.Adjustment{{Source: "promotion/half", Kind: checkout.Discount, Amount: eur(-q.Total.Minor / 2), Code: "HALF"}}, nil
	}}, p.down
}

func (p *promotions) Admit(_ context.Context, given string) (string, error) {
	if code := strings.ToUpper(given); code != "GONE" {
		return code, p.down
	}
	return "", fault.New(fault.NotFound, "PROMOTION_CODE_UNKNOWN", "there is no promotion with the code %s", given)
}

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

var ada = cart.Owner{UserID: "u", Home: "eu-west-1", Currency: "EUR"}

// open returns a service whose catalog sells A at 10.00 and B at 2.50.
func open(rules ...checkout.Rule) (*cart.Service, *store, *offers) {
	s := &store{carts: map[string]cart.Cart{}}
	o := &offers{sold: map[string]checkout.Offer{"A": {Title: "Pot", Price: eur(1000)}, "B": {Title: "Tea", Price: eur(250)}}}
	return cart.New(s, o, &promotions{}, rules...), s, o
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
		c, err := s.SetItem(t.Context(), ada, step.sku, step.quantity, step.etag)
		if fault.Reason(err) != step.reason || (err != nil && !fault.Is(err, step.kind)) || (err != nil) != (step.reason != "") {
			t.Errorf("%s: %v", step.name, err)
		}
		now, findErr := s.Cart(t.Context(), ada)
		if diff := cmp.Diff(step.want, now.Items); findErr != nil || diff != "" {
			t.Errorf("%s: %v\n%s", step.name, findErr, diff)
		}
		if err == nil && c.Etag() != now.Etag() {
			t.Errorf("%s: answered %s, stored %s", step.name, c.Etag(), now.Etag())
		}
	}
	delete(sold.sold, "B") // withdrawn, and yet it can be taken out of the cart
	if c, err := s.SetItem(t.Context(), ada, "B", 0, ""); err != nil || len(c.Items) != 0 {
		t.Errorf("got %v, %v", c.Items, err)
	}
	for _, other := range []cart.Owner{{UserID: "u", Home: "us-east-1", Currency: "EUR"}, {UserID: "v", Home: "eu-west-1", Currency: "EUR"}} {
		if c, err := s.Cart(t.Context(), other); err != nil || c.Version != 0 {
			t.Errorf("another user's cart is %v, %v", c, err)
		}
	}
}

// A variant is set by its id, or by any SKU that it has or had: it is one item.
func TestSetVariant(t *testing.T) {
	t.Parallel()
	s, _, sold := open()
	for _, step := range []struct {
		set   func(context.Context, cart.Owner, string, int64, string) (cart.Priced, error)
		name  string
		units int64
		want  map[string]int64
	}{
		{s.SetVariant, "A", 1, map[string]int64{"A": 1}},
		{s.SetItem, "A-2", 3, map[string]int64{"A": 3}},
		{s.SetItem, "A", 2, map[string]int64{"A": 2}},
		{s.SetVariant, "A", 0, nil},
	} {
		c, err := step.set(t.Context(), ada, step.name, step.units, "")
		if diff := cmp.Diff(step.want, c.Items, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", step.name, err, diff)
		}
		if step.units > 0 && c.Prices["A"] != eur(1000) {
			t.Errorf("%s: put in at %v", step.name, c.Prices)
		}
	}
	if _, err := s.SetVariant(t.Context(), ada, "A-2", 1, ""); fault.Reason(err) != "SKU_NOT_FOUND" {
		t.Errorf("a SKU that is no id: %v", err)
	}
	delete(sold.sold, "A")
	if _, err := s.SetVariant(t.Context(), ada, "A", 0, ""); err != nil {
		t.Errorf("taking out what is withdrawn: %v", err)
	}
}

func TestFailuresPassThrough(t *testing.T) {
	t.Parallel()
	s, stored, sold := open()
	sold.down = errDown
	if _, err := s.SetItem(t.Context(), ada, "A", 1, ""); !errors.Is(err, errDown) || len(stored.carts) != 0 {
		t.Errorf("without the catalog: %v, %v", err, stored.carts)
	}
	sold.down, stored.down = nil, errDown
	if _, err := s.SetItem(t.Context(), ada, "A", 1, ""); !errors.Is(err, errDown) {
		t.Errorf("without the store: %v", err)
	}
	if _, err := s.Cart(t.Context(), ada); !errors.Is(err, errDown) {
		t.Errorf("without the store: %v", err)
	}
}

// A cart says what it costs, and what became of its items since they were put in.
func TestCartIsQuoted(t *testing.T) {
	t.Parallel()
	s, _, sold := open()
	for _, item := range []struct {
		sku   string
		units int64
		total int64
	}{{"A", 1, 1000}, {"B", 2, 1500}} {
		c, err := s.SetItem(t.Context(), ada, item.sku, item.units, "")
		if err != nil || c.Quote == nil || c.Quote.Total != eur(item.total) {
			t.Fatalf("%s: %+v, %v", item.sku, c.Quote, err)
		}
	}
	sold.sold["A"] = checkout.Offer{Title: "Pot", Price: eur(900)}
	delete(sold.sold, "B")
	c, err := s.Cart(t.Context(), ada)
	want := &checkout.Quote{
		Currency: "EUR", Subtotal: eur(900), Total: eur(900),
		Lines:       []checkout.Line{{Variant: "A", SKU: "A", Title: "Pot", Quantity: 1, UnitPrice: eur(900), Previous: eur(1000), Amount: eur(900), Total: eur(900)}},
		Unavailable: []checkout.Unavailable{{Variant: "B", SKU: "B", Quantity: 2, Reason: checkout.NotSold}},
	}
	if diff := cmp.Diff(want, c.Quote); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// Whoever sets another quantity has seen the new price.
	c, err = s.SetItem(t.Context(), ada, "A", 3, "")
	if err != nil || c.Quote.Lines[0].Previous != (money.Money{}) || c.Quote.Total != eur(2700) {
		t.Errorf("%+v, %v", c.Quote, err)
	}
}

// The rules of the shop are those of its carts.
func TestCartIsQuotedByTheRules(t *testing.T) {
	t.Parallel()
	s, _, _ := open(func(q checkout.Quote) ([]checkout.Adjustment, error) {
		return []checkout.Adjustment{{Source: "promotion/tenth", Kind: checkout.Discount, Amount: eur(-q.Subtotal.Minor / 10)}}, nil
	})
	c, err := s.SetItem(t.Context(), ada, "A", 2, "")
	if err != nil || c.Quote.Total != eur(1800) || len(c.Quote.Adjustments) != 1 {
		t.Errorf("%+v, %v", c.Quote, err)
	}
}

// A code is one of the cart's, in its one form, until it is taken out; and promotions come before the shop's other rules.
func TestCodes(t *testing.T) {
	t.Parallel()
	s, _, _ := open(func(q checkout.Quote) ([]checkout.Adjustment, error) {
		return []checkout.Adjustment{{Source: "tax/tenth", Kind: checkout.Tax, Amount: eur(q.Total.Minor / 10)}}, nil
	})
	if _, err := s.SetItem(t.Context(), ada, "A", 1, ""); err != nil {
		t.Fatal(err)
	}
	add, remove := s.AddCode, s.RemoveCode
	for _, step := range []struct {
		name    string
		how     func(context.Context, cart.Owner, string, string) (cart.Priced, error)
		code    string
		etag    string
		reason  string
		want    []string
		version int64
		total   int64
	}{
		{"none yet", remove, "HALF", "v1", "", nil, 1, 1100},
		{"a code", add, "half", "v1", "", []string{"HALF"}, 2, 550},
		{"the same again", add, "Half", "", "", []string{"HALF"}, 2, 550},
		{"another", add, "A-1", "", "", []string{"A-1", "HALF"}, 3, 550},
		{"one that is gone", add, "gone", "", "PROMOTION_CODE_UNKNOWN", []string{"A-1", "HALF"}, 3, 550},
		{"with an old etag", add, "B-1", "v2", "CART_CHANGED", []string{"A-1", "HALF"}, 3, 550},
		{"away with an old etag", remove, "HALF", "v2", "CART_CHANGED", []string{"A-1", "HALF"}, 3, 550},
		{"away", remove, " half", "v3", "", []string{"A-1"}, 4, 1100},
		{"away again", remove, "HALF", "", "", []string{"A-1"}, 4, 1100},
		{"all away", remove, "a-1", "", "", nil, 5, 1100},
	} {
		c, err := step.how(t.Context(), ada, step.code, step.etag)
		if fault.Reason(err) != step.reason || (err != nil) != (step.reason != "") {
			t.Errorf("%s: %v", step.name, err)
		}
		now, findErr := s.Cart(t.Context(), ada)
		if diff := cmp.Diff(step.want, now.Codes); findErr != nil || diff != "" || now.Version != step.version || now.Quote.Total != eur(step.total) {
			t.Errorf("%s: version %d, %s, %v\n%s", step.name, now.Version, now.Quote.Total, findErr, diff)
		}
		if diff := cmp.Diff(now, c); err == nil && diff != "" {
			t.Errorf("%s is answered otherwise:\n%s", step.name, diff)
		}
	}
}

// A change that is committed is not answered by an error, which would say that nothing was done.
func TestChangeWhosePricesAreAway(t *testing.T) {
	t.Parallel()
	s, stored, sold := open()
	sold.down, sold.after = errDown, 1
	c, err := s.SetItem(t.Context(), ada, "A", 2, "")
	if err != nil || c.Quote != nil || c.Items["A"] != 2 || len(stored.carts) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.Cart(t.Context(), ada); !errors.Is(err, errDown) {
		t.Errorf("a read: %v", err)
	}
}

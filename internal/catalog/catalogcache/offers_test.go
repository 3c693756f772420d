package catalogcache_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// handles knows the product of each id and SKU, and what it was asked.
type handles struct {
	of    map[string]string
	asked [][]string
	down  error
}

func (h *handles) Handles(_ context.Context, skus []string) (map[string]string, error) {
	h.asked = append(h.asked, skus)
	out := map[string]string{}
	for _, sku := range skus {
		if handle, ok := h.of[sku]; ok {
			out[sku] = handle
		}
	}
	return out, h.down
}

func TestOffers(t *testing.T) {
	t.Parallel()
	s, b, _ := open(t, redistest.Start(t).Address)
	b.product.Variants = append(b.product.Variants, catalog.Variant{ID: "u", SKU: "u-2", Title: "Tin", Prices: []money.Money{{Minor: 9, Currency: "USD"}}})
	h := &handles{of: map[string]string{"t": "tea", "u": "tea", "lost": "a product that is gone"}}
	o, err := catalogcache.NewOffers(s, h)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want map[string]checkout.Offer) {
		t.Helper()
		got, err := o.Offers(t.Context(), []string{"t", "u", "lost", "nobody's"}, "EUR")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	green := []string{"green"}
	want := map[string]checkout.Offer{
		"t": {SKU: "t", Title: "Tea", Price: money.Money{Minor: 750, Currency: "EUR"}, Tags: green}, "u": {SKU: "u-2", Title: "Tea · Tin", Tags: green},
	}
	ask(want)
	ask(want)
	// The product came from the cache the second time, and only of what nobody has the catalog was asked again.
	if found := b.finds; found != 1+2 {
		t.Errorf("the store was read %d times, want once for the tea and twice for what is gone", found)
	}
	if asked := [][]string{{"lost", "nobody's", "t", "u"}, {"nobody's"}}; !slices.EqualFunc(h.asked, asked, slices.Equal) {
		t.Errorf("asked for the products of %v, want %v", h.asked, asked)
	}
	// A change that the cache is notified of changes the next offer.
	if _, err := s.Put(t.Context(), []catalog.Product{tea(2, 700)}); err != nil {
		t.Fatal(err)
	}
	ask(map[string]checkout.Offer{"t": {SKU: "t", Title: "Tea", Price: money.Money{Minor: 700, Currency: "EUR"}, Tags: green}})
	withdrawn := tea(3, 700)
	withdrawn.Active = false
	if _, err := s.Put(t.Context(), []catalog.Product{withdrawn}); err != nil {
		t.Fatal(err)
	}
	ask(map[string]checkout.Offer{})
}

// TestOfferBySKU finds a variant by the SKU that it has, by one that it had, and by its id.
func TestOfferBySKU(t *testing.T) {
	t.Parallel()
	s, b, _ := open(t, redistest.Start(t).Address)
	b.product.Variants = append(b.product.Variants, catalog.Variant{ID: "u", SKU: "u-3", Title: "Tin"}, catalog.Variant{ID: "var_global_x", SKU: "old"})
	b.product.SKUs = map[string]string{"u-2": "u", "u-3": "u", "old": "var_global_x", "gone-2": "gone"}
	h := &handles{of: map[string]string{}}
	for _, name := range []string{"t", "u", "u-2", "u-3", "old", "gone", "gone-2"} {
		h.of[name] = "tea"
	}
	h.of["lost"] = "a product that is gone"
	o, err := catalogcache.NewOffers(s, h)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time out of the cache
		for sku, want := range map[string]struct{ variant, sku string }{
			"t": {"t", "t"}, "u": {"u", "u-3"}, "u-2": {"u", "u-3"}, "u-3": {"u", "u-3"}, "old": {"var_global_x", "old"},
			"gone": {"gone", ""}, "gone-2": {"gone", ""}, "nobody's": {"nobody's", ""}, "lost": {"lost", ""},
		} {
			variant, offer, err := o.Offer(t.Context(), sku, "EUR")
			if err != nil || variant != want.variant || (offer != nil) != (want.sku != "") || (offer != nil && offer.SKU != want.sku) {
				t.Errorf("%s is of %s, %+v, %v; want %+v", sku, variant, offer, err, want)
			}
		}
	}
}

func TestOffersOfAStoreThatIsDown(t *testing.T) {
	t.Parallel()
	errDown := fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")
	s, b, _ := open(t, "")
	h := &handles{of: map[string]string{"t": "tea"}, down: errDown}
	o, err := catalogcache.NewOffers(s, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Offers(t.Context(), []string{"t"}, "EUR"); !errors.Is(err, errDown) {
		t.Errorf("without the products of SKUs: %v", err)
	}
	if _, _, err := o.Offer(t.Context(), "t", "EUR"); !errors.Is(err, errDown) {
		t.Errorf("without the product of a SKU: %v", err)
	}
	h.down, b.down = nil, errDown
	if _, err := o.Offers(t.Context(), []string{"t"}, "EUR"); !errors.Is(err, errDown) {
		t.Errorf("without products: %v", err)
	}
	if _, _, err := o.Offer(t.Context(), "t", "EUR"); !errors.Is(err, errDown) {
		t.Errorf("without a product: %v", err)
	}
}

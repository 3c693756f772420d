package catalogsql_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

// shop is a store on a database of its own.
type shop struct {
	*catalogsql.Store
	t  testing.TB
	db *sqldb.DB
}

func open(t testing.TB) shop {
	t.Helper()
	db := sqltest.Open(t, nil)
	return shop{catalogsql.New(db, regions.Default(), clock.System()), t, db}
}

// put stores products and returns how many changed.
func (s shop) put(products ...catalog.Product) int {
	s.t.Helper()
	stored, err := s.Put(s.t.Context(), products)
	if err != nil {
		s.t.Fatal(err)
	}
	return stored.Changed
}

func (s shop) find(handle string) catalog.Product {
	s.t.Helper()
	p, err := s.Find(s.t.Context(), handle)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// backpack is a product with everything that a product can have.
func backpack() catalog.Product {
	return catalog.Product{
		Handle: "backpack", Title: "Expedition Backpack", Description: "<p>Carries, and carries.</p>", Vendor: "Fell & Ferry",
		Category: "Accessories > Backpack", Type: "Backpack", Tags: []string{"outdoor", "beige"}, Images: []string{"https://example.com/1.jpg"}, Active: true,
		Variants: []catalog.Variant{
			{SKU: "bp-l", Title: "Large", Barcode: "0123", Grams: 1400, Prices: []money.Money{{Minor: 12999, Currency: "EUR"}, {Minor: 13999, Currency: "USD"}}},
			{SKU: "bp-a", Title: "Small", Grams: 900, Prices: []money.Money{{Minor: 9999, Currency: "EUR"}}},
			{SKU: "bp-x", Title: "Not priced yet"},
		},
	}
}

func simple(handle, category string, active bool) catalog.Product {
	return catalog.Product{Handle: handle, Title: handle, Category: category, Active: active, Tags: []string{}, Images: []string{},
		Variants: []catalog.Variant{{SKU: "sku-" + handle, Prices: []money.Money{{Minor: 100, Currency: "EUR"}}}}}
}

// stored is what tests give, not what a Put adds.
var stored = cmp.Options{
	cmpopts.IgnoreFields(catalog.Product{}, "UpdatedAt", "Version", "Options"), cmpopts.IgnoreFields(catalog.Variant{}, "ID", "Options"), cmpopts.EquateEmpty(),
}

func TestPutIsReadBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := backpack()
	before := time.Now().Add(-time.Second)
	if changed := s.put(want, simple("tea", "Food", true)); changed != 2 {
		t.Errorf("%d products changed", changed)
	}
	got := s.find("backpack")
	if diff := cmp.Diff(want, got, stored); diff != "" {
		t.Error(diff)
	}
	if got.Version != 1 || got.UpdatedAt.Before(before) {
		t.Errorf("version %d of %s", got.Version, got.UpdatedAt)
	}
	page, err := s.Page(t.Context(), "", "", 10)
	if diff := cmp.Diff([]catalog.Product{want, simple("tea", "Food", true)}, page, stored); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, handle := range []string{"gone", "", "backpac", "BACKPACK"} {
		if _, err := s.Find(t.Context(), handle); !errors.Is(err, catalog.ErrNotFound) || fault.Is(err, fault.Unavailable) {
			t.Errorf("Find(%q): %v", handle, err)
		}
	}
}

// TestLongDescription is of more different words than an index of words takes.
func TestLongDescription(t *testing.T) {
	t.Parallel()
	s := open(t)
	word := func(n int) string {
		var letters [4]rune
		for i := range letters {
			letters[i] = 'а' + rune(n%32)
			n /= 32
		}
		return string(letters[:])
	}
	var text strings.Builder
	for n := 0; n < 52_000; n += 2 {
		text.WriteString(word(n) + "-" + word(n+1) + " ")
	}
	long := simple("long", "Food", true)
	long.Title, long.Description = "Encyclopedia", text.String()
	s.put(long)
	found, err := s.Search(t.Context(), "encyclopedia "+word(0), 0, 10)
	if err != nil || len(found) != 1 || found[0].Description != long.Description {
		t.Errorf("%d products are found, %v", len(found), err)
	}
}

// A change of any part makes a new version, and of nothing none: caches compare them.
func TestVersionGrowsWithEveryChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := backpack()
	other := simple("tea", "Food", true)
	s.put(p, other)
	version := int64(1)
	for _, c := range []struct {
		name    string
		edit    func()
		changed int
	}{
		{"nothing", func() {}, 0},
		{"a price alone", func() { p.Variants[0].Prices[1].Minor = 14999 }, 1},
		{"a further price", func() { p.Variants[1].Prices = append(p.Variants[1].Prices, money.Money{Minor: 1, Currency: "SGD"}) }, 1},
		{"nothing again", func() {}, 0},
		{"the title alone", func() { p.Title = "Better Backpack" }, 1},
		{"title and price", func() { p.Title, p.Variants[0].Prices[0].Minor = "Best Backpack", 1 }, 1},
		{"a tag", func() { p.Tags = []string{"outdoor"} }, 1},
		{"the order of variants", func() { p.Variants[0], p.Variants[1] = p.Variants[1], p.Variants[0] }, 1},
		{"a further variant", func() { p.Variants = append(p.Variants, catalog.Variant{SKU: "bp-new"}) }, 1},
		{"a weight", func() { p.Variants[0].Grams++ }, 1},
		{"no longer active", func() { p.Active = false }, 1},
		{"units, which are kept elsewhere", func() { p.Variants[0].Stock = 7 }, 0},
	} {
		c.edit()
		if changed := s.put(p, other); changed != c.changed {
			t.Errorf("%s: %d products changed, want %d", c.name, changed, c.changed)
		}
		version += int64(c.changed)
		got := s.find("backpack")
		want := p
		want.Variants = slices.Clone(p.Variants)
		for i := range want.Variants {
			want.Variants[i].Stock = 0
		}
		if diff := cmp.Diff(want, got, stored); diff != "" || got.Version != version {
			t.Errorf("%s: version %d, want %d\n%s", c.name, got.Version, version, diff)
		}
	}
	if got := s.find("tea"); got.Version != 1 {
		t.Errorf("the product beside it has version %d", got.Version)
	}
}

func TestPutRefusesTakenSKUs(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(backpack())
	thief := simple("thief", "Food", true)
	thief.Variants[0].SKU = "bp-a"
	_, err := s.Put(t.Context(), []catalog.Product{simple("tea", "Food", true), thief})
	if fault.Reason(err) != "SKU_TAKEN" || !fault.Is(err, fault.Exists) {
		t.Errorf("got %v", err)
	}
	for _, handle := range []string{"thief", "tea"} { // one transaction: all or nothing
		if _, err := s.Find(t.Context(), handle); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%s was stored: %v", handle, err)
		}
	}
	if diff := cmp.Diff(backpack(), s.find("backpack"), stored); diff != "" {
		t.Error(diff)
	}
}

func handlesOf(products []catalog.Product) []string {
	out := []string{}
	for _, p := range products {
		out = append(out, p.Handle)
	}
	return out
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(simple("a", "Accessories", true), simple("b", "Accessories > Backpack", true), simple("c", "Accessories > Backpack > Small", true),
		simple("d", "AccessoriesExtra > Backpack", true), simple("e", "Accessories > Backpack", false), simple("f", "", true), simple("g", "100%_off", true))
	for _, c := range []struct {
		category, after string
		limit           int
		want            []string
	}{
		{"", "", 10, []string{"a", "b", "c", "d", "f", "g"}},
		{"", "", 2, []string{"a", "b"}},
		{"", "b", 2, []string{"c", "d"}},
		{"", "bb", 1, []string{"c"}}, // the handle of a product that is gone
		{"", "g", 10, []string{}},
		{"Accessories", "", 10, []string{"a", "b", "c"}},
		{"Accessories", "a", 1, []string{"b"}},
		{"Accessories > Backpack", "", 10, []string{"b", "c"}},
		{"Accessories >", "", 10, []string{}},
		{"accessories", "", 10, []string{}},
		{"%", "", 10, []string{}},
		{"100%_off", "", 10, []string{"g"}},
		{"A_cessories", "", 10, []string{}},
		{"nothing", "", 10, []string{}},
	} {
		got, err := s.Page(t.Context(), c.category, c.after, c.limit)
		if diff := cmp.Diff(c.want, handlesOf(got)); err != nil || diff != "" {
			t.Errorf("Page(%q, %q, %d): %v\n%s", c.category, c.after, c.limit, err, diff)
		}
		for _, p := range got {
			if len(p.Variants) != 1 || p.Variants[0].SKU != "sku-"+p.Handle || len(p.Variants[0].Prices) != 1 {
				t.Errorf("%s has variants %+v", p.Handle, p.Variants)
			}
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := open(t)
	tea := simple("tea", "Food > Tea", true)
	tea.Title, tea.Description, tea.Vendor = "Green tea", "Leaves from Uji, picked in spring.", "Kiln & Kettle"
	pot := simple("pot", "Kitchen", true)
	pot.Title, pot.Description, pot.Tags = "Teapot of clay", "Holds green tea for four.", []string{"gift"}
	hidden := simple("hidden", "Food > Tea", false)
	hidden.Title = "Green tea, not sold yet"
	s.put(tea, pot, hidden, backpack())
	for query, want := range map[string][]string{
		"green tea":        {"tea", "pot"}, // best first
		"picking":          {"tea"},        // word forms
		"UJI spring":       {"tea"},
		"kettle":           {"tea"},
		"gift":             {"pot"},
		"green backpack":   {}, // every word
		"expedition":       {"backpack"},
		"nothing":          {},
		"the":              {}, // no word that counts
		"tea & !pot | <->": {}, // no query language: pot is a word, and tea has it not
		`'; DROP TABLE`:    {},
	} {
		got, err := s.Search(t.Context(), query, 0, 10)
		if diff := cmp.Diff(want, handlesOf(got)); err != nil || diff != "" {
			t.Errorf("Search(%q): %v\n%s", query, err, diff)
		}
	}
	first, err := s.Search(t.Context(), "green", 0, 1)
	second, err2 := s.Search(t.Context(), "green", 1, 1)
	if got := append(handlesOf(first), handlesOf(second)...); err != nil || err2 != nil || !slices.Equal(slices.Sorted(slices.Values(got)), []string{"pot", "tea"}) {
		t.Errorf("two pages are %v (%v, %v)", got, err, err2)
	}
	tea.Title = "White tea"
	s.put(tea)
	if got, err := s.Search(t.Context(), "white", 0, 10); err != nil || len(got) != 1 {
		t.Errorf("the new title finds %v (%v)", handlesOf(got), err)
	}
}

func TestHandles(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(backpack(), simple("hidden", "", false))
	got, err := s.Handles(t.Context(), []string{"bp-l", "bp-a", "bp-x", "sku-hidden", "gone", "", "BP-L"})
	want := map[string]string{"bp-l": "backpack", "bp-a": "backpack", "bp-x": "backpack", "sku-hidden": "hidden"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := s.Handles(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of no SKUs: %v, %v", got, err)
	}
}

// An order is placed at what a transaction reads, and a cart shows what the product says: they say the same.
func TestOffers(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(backpack(), simple("hidden", "", false), simple("tea", "Food", true))
	skus := []string{"bp-l", "bp-a", "sku-hidden", "sku-tea", "gone"}
	offers := map[string]checkout.Offer{}
	err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		catalogsql.QueueOffers(batch, skus, "USD", offers)
		return tx.Send(t.Context(), batch)
	})
	tags := []string{"outdoor", "beige"}
	want := map[string]checkout.Offer{
		"bp-l":    {SKU: "bp-l", Title: "Expedition Backpack · Large", Price: money.Money{Minor: 13999, Currency: "USD"}, Tags: tags},
		"bp-a":    {SKU: "bp-a", Title: "Expedition Backpack · Small", Tags: tags},
		"sku-tea": {SKU: "sku-tea", Title: "tea", Tags: []string{}},
	}
	if diff := cmp.Diff(want, offers); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	byProduct := map[string]checkout.Offer{}
	for _, handle := range []string{"backpack", "hidden", "tea"} {
		for _, sku := range skus {
			if offer, sold := s.find(handle).Offer(sku, "USD"); sold {
				byProduct[sku] = offer
			}
		}
	}
	if diff := cmp.Diff(want, byProduct); diff != "" {
		t.Errorf("the products say otherwise:\n%s", diff)
	}
}

// Two imports of the same new products at once end as one of them would have alone.
func TestPutConcurrently(t *testing.T) {
	t.Parallel()
	s := open(t)
	var products []catalog.Product
	for i := range 20 {
		products = append(products, simple(fmt.Sprintf("p%02d", i), "", true))
	}
	results := make(chan int, 2)
	for range 2 {
		go func() {
			stored, err := s.Put(t.Context(), products)
			if err != nil {
				t.Error(err)
			}
			results <- stored.Changed
		}()
	}
	if changed := <-results + <-results; changed != len(products) {
		t.Errorf("%d changes of %d products", changed, len(products))
	}
	if p := s.find("p07"); p.Version != 1 || len(p.Variants) != 1 {
		t.Errorf("got %+v", p)
	}
}

package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// stocked returns a service over n active products, p0000 and so on, and one that is not active.
func stocked(n int) (*catalog.Service, *store) {
	s := &store{products: map[string]catalog.Product{"p0001x": {Handle: "p0001x"}}}
	for i := range n {
		handle := fmt.Sprintf("p%04d", i)
		s.products[handle] = catalog.Product{Handle: handle, Active: true}
	}
	return catalog.New(s), s
}

func handles(products []catalog.Product) (out []string) {
	for _, p := range products {
		out = append(out, p.Handle)
	}
	return out
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for _, total := range []int{0, 1, 2, 3, 4, 5, 6} {
		s, all := stocked(total)
		var got []string
		pages, at := 0, ""
		for {
			page, next, err := s.List(t.Context(), "", at, 3)
			if err != nil || len(page) > 3 {
				t.Fatalf("a page of %d, %v", len(page), err)
			}
			got, pages = append(got, handles(page)...), pages+1
			if next == "" {
				break
			}
			at = next
		}
		if diff := cmp.Diff(handles(all.sorted("")), got); diff != "" {
			t.Error(diff)
		}
		if want := max(1, (total+2)/3); pages != want {
			t.Errorf("%d products took %d pages of 3, want %d: no page is empty but the first", total, pages, want)
		}
	}
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	s, all := stocked(5)
	var got []string
	for at, pages := 0, 0; ; pages++ {
		page, next, err := s.Search(t.Context(), " tea ", at, 2)
		if err != nil || pages > 2 {
			t.Fatalf("page %d: %v", pages, err)
		}
		if got = append(got, handles(page)...); next == 0 {
			break
		}
		at = next
	}
	if diff := cmp.Diff(handles(all.sorted("")), got); diff != "" {
		t.Error(diff)
	}
}

// A search over more products than it shows ends, for whoever follows next, without an error.
func TestSearchEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	s, _ := stocked(1500)
	for _, size := range []int{7, 20, 30, 100} {
		at, seen := 0, 0
		for {
			page, next, err := s.Search(t.Context(), "tea", at, size)
			if err != nil {
				t.Fatalf("pages of %d: at %d: %v", size, at, err)
			}
			if seen += len(page); next == 0 {
				break
			}
			at = next
		}
		if seen < 1000 || seen > 1100 {
			t.Errorf("pages of %d showed %d products", size, seen)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	t.Parallel()
	s, _ := stocked(1)
	for _, c := range []struct {
		query  string
		offset int
		reason string
	}{
		{"", 0, "QUERY_LENGTH"},
		{" \t\n", 0, "QUERY_LENGTH"},
		{strings.Repeat("é", 201), 0, "QUERY_LENGTH"},
		{"tea", -1, "PAGE_TOKEN_INVALID"},
		{"tea", 1001, "PAGE_TOKEN_INVALID"},
	} {
		if _, _, err := s.Search(t.Context(), c.query, c.offset, 20); fault.Reason(err) != c.reason || !fault.Is(err, fault.Invalid) {
			t.Errorf("Search(%.20q, %d): %v, want %s", c.query, c.offset, err, c.reason)
		}
	}
	if _, _, err := s.Search(t.Context(), strings.Repeat("é", 200), 0, 20); err != nil {
		t.Errorf("a query of 200 characters: %v", err)
	}
}

func TestProduct(t *testing.T) {
	t.Parallel()
	s, _ := stocked(3)
	if p, err := s.Product(t.Context(), "p0002"); err != nil || p.Handle != "p0002" {
		t.Errorf("got %+v, %v", p, err)
	}
	for name, handle := range map[string]string{"unknown": "gone", "not active": "p0001x", "empty": ""} {
		if p, err := s.Product(t.Context(), handle); fault.Reason(err) != "PRODUCT_NOT_FOUND" || !fault.Is(err, fault.NotFound) || p.Handle != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := s.Product(t.Context(), strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 300 {
		t.Errorf("a megabyte of handle makes an error of %d bytes", len(err.Error()))
	}
}

func TestStoreFailuresPassThrough(t *testing.T) {
	t.Parallel()
	s, behind := stocked(3)
	behind.down = errDown
	_, _, list := s.List(t.Context(), "", "", 1)
	_, product := s.Product(t.Context(), "p0002")
	_, _, search := s.Search(t.Context(), "tea", 0, 1)
	_, _, popular := s.Popular(t.Context(), "eu-west-1", "", nil, 1)
	for name, err := range map[string]error{"List": list, "Popular": popular, "Product": product, "Search": search} {
		if !errors.Is(err, errDown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVariantPrice(t *testing.T) {
	t.Parallel()
	v := catalog.Variant{Prices: []money.Money{{Minor: 100, Currency: "EUR"}, {Minor: 110, Currency: "USD"}}}
	if p, ok := v.Price("USD"); !ok || p.Minor != 110 {
		t.Errorf("got %s, %t", p, ok)
	}
	if p, ok := v.Price("JPY"); ok || p != (money.Money{}) {
		t.Errorf("a price in JPY: %s", p)
	}
}

package catalog_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// rows returns n products of two variants each, with bad rows after some of them.
func rows(n int, bad ...int) *source {
	after := map[int]bool{}
	for _, i := range bad {
		after[i] = true
	}
	var out source
	for i := range n {
		out = append(out, catalog.Product{Handle: fmt.Sprintf("p%04d", i), Variants: []catalog.Variant{
			{SKU: fmt.Sprintf("s%04d-a", i), Stock: i}, {SKU: fmt.Sprintf("s%04d-b", i), Stock: 1},
		}})
		if after[i] {
			out = append(out, fmt.Errorf("import: %w", badRowError(i)))
		}
	}
	return &out
}

func emptyShop() (*store, *allotter) {
	return &store{products: map[string]catalog.Product{}}, &allotter{units: map[string]int64{}}
}

func TestImport(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	var heard []catalog.Imported
	var refused []string
	done, err := catalog.Import(t.Context(), products, stock, rows(230, 0, 99, 150), func(done catalog.Imported, bad error) {
		if bad != nil {
			refused = append(refused, bad.Error())
			return
		}
		heard = append(heard, done)
	})
	want := catalog.Imported{Products: 230, Changed: 230, Variants: 460, Bad: 3}
	if diff := cmp.Diff(want, done); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"line 0: bad", "line 99: bad", "line 150: bad"}, refused); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{100, 100, 30}, products.puts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]catalog.Imported{
		{Products: 100, Changed: 100, Variants: 200, Bad: 1}, {Products: 200, Changed: 200, Variants: 400, Bad: 3}, want,
	}, heard); diff != "" {
		t.Error(diff)
	}
	if len(products.products) != 230 || len(stock.units) != 460 || stock.units["s0229-a"] != 229 {
		t.Errorf("%d products and %d allotments, s0229-a of %d units", len(products.products), len(stock.units), stock.units["s0229-a"])
	}
}

func TestImportTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	quiet := func(catalog.Imported, error) {}
	if _, err := catalog.Import(t.Context(), products, stock, rows(120, 5), quiet); err != nil {
		t.Fatal(err)
	}
	done, err := catalog.Import(t.Context(), products, stock, rows(120, 5), quiet)
	if diff := cmp.Diff(catalog.Imported{Products: 120, Variants: 240, Bad: 1}, done); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	for name, from := range map[string]*source{"empty": {}, "bad rows alone": {badRowError(2), badRowError(3)}} {
		bad := len(*from)
		want := map[bool]string{true: "NOTHING_TO_IMPORT"}[bad == 0]
		done, err := catalog.Import(t.Context(), products, stock, from, func(catalog.Imported, error) {})
		if fault.Reason(err) != want || !reflect.DeepEqual(done, catalog.Imported{Bad: bad}) || len(products.puts) != 0 {
			t.Errorf("%s: %+v, %v, %v", name, done, err, products.puts)
		}
	}
}

// A product that would take another's SKU is reported like a bad row, and those around it load.
func TestImportOfATakenSKU(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	products.owners = map[string]string{"s0003-b": "old", "s0129-a": "older"}
	var refused []string
	done, err := catalog.Import(t.Context(), products, stock, rows(130), func(_ catalog.Imported, bad error) {
		if bad != nil {
			refused = append(refused, fault.Reason(bad))
		}
	})
	if diff := cmp.Diff(catalog.Imported{Products: 128, Changed: 128, Variants: 256, Bad: 2}, done); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"SKU_TAKEN", "SKU_TAKEN"}, refused); diff != "" {
		t.Error(diff)
	}
	if _, allotted := stock.units["s0003-a"]; allotted || len(stock.units) != 256 {
		t.Errorf("%d SKUs are allotted, a refused product's among them: %t", len(stock.units), allotted)
	}
}

// A product that cannot be kept is reported by its handle, and those around it load.
func TestImportOfWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	from := rows(130)
	large, _ := (*from)[7].(catalog.Product)
	large.Title = tooLarge
	(*from)[7] = large
	var refused []string
	done, err := catalog.Import(t.Context(), products, stock, from, func(_ catalog.Imported, bad error) {
		if bad != nil {
			refused = append(refused, bad.Error())
		}
	})
	if err != nil || done.Products != 129 || done.Bad != 1 || len(products.products) != 129 {
		t.Errorf("%+v, %v", done, err)
	}
	if len(refused) != 1 || !strings.Contains(refused[0], `"p0007"`) || !strings.Contains(refused[0], "VALUE_TOO_LARGE") {
		t.Errorf("refused are %q", refused)
	}
}

// A file that breaks off keeps what was read of it, and says that it broke off.
func TestImportOfABrokenSource(t *testing.T) {
	t.Parallel()
	products, stock := emptyShop()
	from := rows(130)
	*from = append(*from, io.ErrUnexpectedEOF, catalog.Product{Handle: "never read"})
	done, err := catalog.Import(t.Context(), products, stock, from, func(catalog.Imported, error) {})
	if !errors.Is(err, io.ErrUnexpectedEOF) || done.Products != 130 || len(products.products) != 130 {
		t.Errorf("%+v, %v; %d products are stored", done, err, len(products.products))
	}
}

func TestImportStopsWithItsStores(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*store, *allotter){
		"store": func(s *store, _ *allotter) { s.down = errDown },
		"stock": func(_ *store, a *allotter) { a.down = errDown },
	} {
		products, stock := emptyShop()
		spoil(products, stock)
		from := rows(250)
		done, err := catalog.Import(t.Context(), products, stock, from, func(catalog.Imported, error) { t.Errorf("%s: progress", name) })
		if !errors.Is(err, errDown) || done.Products != 0 || len(*from) != 150 {
			t.Errorf("%s: %+v, %v; %d products were not read", name, done, err, len(*from))
		}
	}
}

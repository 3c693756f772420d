package shopify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// stocks renders products as SKU:units.
func stocks(products []catalog.Product) (all []string) {
	for _, p := range products {
		for _, v := range p.Variants {
			all = append(all, fmt.Sprintf("%s:%d", v.SKU, v.Stock))
		}
	}
	return all
}

func TestAssumptionsAreSaid(t *testing.T) {
	t.Parallel()
	var said []string
	products, bad := readAll(t, strings.NewReader(sample(t, "stock.csv")), sheet.Options{Note: func(s string) { said = append(said, s) }})
	want := []string{
		"SOCK:4", "SOCK-8e63567f0e:0", "SOCK-4429420365:0", "CARD:1000000000", "PRINT:1000000000", "nhẫn-1-fa784194e8:1",
	}
	if diff := cmp.Diff(want, stocks(products)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"front.jpg", "back.jpg", "side.jpg"}, products[0].Images); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(bad) != 1 || bad[0].Line != 7 || bad[0].Reason != sheet.ReasonDuplicateSKU {
		t.Errorf("errors are %v: a SKU of two products is reported", bad)
	}
	for i, start := range []string{
		"2 variants (the first on line 3) have a negative", "2 variants (the first on line 3) have the SKU", "2 variants (the first on line 5) are not tracked",
	} {
		if len(said) != 3 || !strings.HasPrefix(said[i], start) {
			t.Errorf("it said %q, not %q", said, start)
		}
	}
}

func TestNoQuantityColumn(t *testing.T) {
	t.Parallel()
	var said []string
	file := "Handle,Title,Variant Inventory Tracker,Variant Price\na,A,shopify,1\nb,B,shopify,1\nc,C,,1\n"
	products, _ := readAll(t, strings.NewReader(file), sheet.Options{Note: func(s string) { said = append(said, s) }})
	if len(products) != 3 || products[0].Variants[0].Stock != -1 || products[2].Variants[0].Stock <= 0 {
		t.Errorf("products are %+v", products)
	}
	if len(said) != 2 || !strings.Contains(said[0], "2 variants (the first on line 2) are in a file without the column Variant Inventory Qty") {
		t.Errorf("it said %q", said)
	}
}

func TestHandlesOfEveryScript(t *testing.T) {
	t.Parallel()
	for handle, want := range map[string]string{
		"nhẫn-1": "nhẫn-1", "cafe\u0301": "café", "خاتم-ذهب": "خاتم-ذهب", "抹茶-茶碗": "抹茶-茶碗", "mug™": "mug™", "straße": "straße", "हिन्दी": "हिन्दी", "茶☕": "茶☕",
		strings.Repeat("長", 255): strings.Repeat("長", 255),
	} {
		products, bad := readAll(t, strings.NewReader("Handle,Title,Variant Price\n"+handle+",T,1\n"), sheet.Options{})
		if len(bad) > 0 || len(products) != 1 || products[0].Handle != want || !strings.HasPrefix(products[0].Variants[0].SKU, string([]rune(want)[:1])) {
			t.Errorf("%s: products are %v, errors %v", handle, products, bad)
		}
	}
}

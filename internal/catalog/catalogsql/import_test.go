package catalogsql_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

const header = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams," +
	"Variant Inventory Qty,Variant Price,Image Src,Status\n"

// load imports a Shopify export as `meridian catalog import` does and returns the bad rows too.
func (s shop) load(in io.Reader) (done catalog.Imported, bad []string) {
	s.t.Helper()
	reader, err := shopify.NewReader(in, shopify.Options{Currency: "USD"})
	if err != nil {
		s.t.Fatal(err)
	}
	done, err = catalog.Import(s.t.Context(), s.Store, stocksql.New(s.db, regions.Default()), reader, func(_ catalog.Imported, err error) {
		if err != nil {
			bad = append(bad, err.Error())
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return done, bad
}

// units returns what all regions have on hand, and of how many SKUs.
func (s shop) units() (units, skus int64) {
	s.t.Helper()
	sku := map[string]bool{}
	for _, home := range regions.Default().Names() {
		var sum int64
		var names []string
		err := s.db.QueryRow(s.t.Context(), `SELECT coalesce(sum(on_hand), 0)::bigint, coalesce(array_agg(sku), '{}') FROM stock WHERE home_region = $1`, home).Scan(&sum, &names)
		if err != nil {
			s.t.Fatal(err)
		}
		units += sum
		for _, name := range names {
			sku[name] = true
		}
	}
	return units, int64(len(sku))
}

func TestImportSkipsBadRows(t *testing.T) {
	t.Parallel()
	s := open(t)
	file := header +
		"tea,Green Tea,<p>Leaves.</p>,Kiln,Food > Tea,Tea,\"green, spring\",TRUE,Size,100 g,tea-100,100,10,7.50,https://example.com/tea.jpg,active\n" +
		"tea,,,,,,,,,250 g,tea-250,250,5,fifteen,,\n" + // line 3
		"tea,,,,,,,,,500 g,tea-500,500,5,29.00,,\n" +
		"pot,Teapot,,Kiln,Kitchen,Pot,,TRUE,,,pot-1,700,some,40.00,,active\n" + // line 5
		"cup,Cup,,Kiln,Kitchen,Cup,,TRUE,,,cup-1,200,1,9.00,,active\n"
	done, bad := s.load(strings.NewReader(file))
	if want := (catalog.Imported{Products: 2, Changed: 2, Variants: 3, Bad: 2}); done != want {
		t.Errorf("got %+v, want %+v", done, want)
	}
	if len(bad) != 2 || !strings.HasPrefix(bad[0], "line 3,") || !strings.HasPrefix(bad[1], "line 5,") {
		t.Errorf("bad rows: %q", bad)
	}
	p := s.find("tea")
	price, ok := p.Variants[0].Price("USD")
	if len(p.Variants) != 2 || p.Variants[1].SKU != "tea-500" || !ok || price != (money.Money{Minor: 750, Currency: "USD"}) || !p.Active {
		t.Errorf("got %+v", p)
	}
	if units, skus := s.units(); units != 16 || skus != 3 {
		t.Errorf("%d units of %d SKUs are on hand, want 16 of 3", units, skus)
	}
	again, _ := s.load(strings.NewReader(file))
	if units, _ := s.units(); again.Changed != 0 || again.Products != 2 || units != 16 {
		t.Errorf("once more: %+v, and %d units", again, units)
	}
}

// The export of a real store's size, which lies beside the repository where it is developed.
func TestImportShopifyExport(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "shopify-products.csv")
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the export is not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	s := open(t)
	const products, inStock = 2465, 31047
	done, bad := s.load(file)
	if done.Products != products || done.Changed != products || done.Bad != 0 || len(bad) != 0 {
		t.Errorf("the first time: %+v, %q", done, bad)
	}
	units, skus := s.units()
	if int(skus) != done.Variants || units != inStock {
		t.Errorf("%d units of %d SKUs for %d variants, want %d", units, skus, done.Variants, inStock)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	again, _ := s.load(file)
	if again.Products != products || again.Changed != 0 || again.Variants != done.Variants {
		t.Errorf("the second time: %+v", again)
	}
	if unitsAgain, skusAgain := s.units(); unitsAgain != units || skusAgain != skus {
		t.Errorf("%d units of %d SKUs became %d of %d", units, skus, unitsAgain, skusAgain)
	}
	seen := 0
	for after := ""; ; {
		page, err := s.Page(t.Context(), "", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		seen, after = seen+len(page), page[len(page)-1].Handle
	}
	if seen != products {
		t.Errorf("%d of %d products are listed", seen, products)
	}
}

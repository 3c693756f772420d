package catalogsql_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

const header = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams," +
	"Variant Inventory Qty,Variant Price,Image Src,Status\n"

// load imports a Shopify export as `meridian catalog import` does and returns the bad rows too.
func (s shop) load(in io.Reader) (done catalog.Imported, bad []string) {
	s.t.Helper()
	reader, err := shopify.NewReader(in, sheet.Options{Currency: "USD"})
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
	if want := (catalog.Imported{Products: 2, Changed: 2, Listed: 2, Variants: 3, Bad: 2}); !reflect.DeepEqual(done, want) {
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

func (s shop) skus(handle string) string {
	s.t.Helper()
	var all []string
	for _, v := range s.find(handle).Variants {
		all = append(all, v.SKU)
	}
	return strings.Join(all, " ")
}

// TestVariantsThatAreGone imports a file whose product has lost variants since: those are sold no more, except where a
// refused row may be theirs.
func TestVariantsThatAreGone(t *testing.T) {
	t.Parallel()
	s := open(t)
	rows := []string{
		"sock,Sock,,,,,,TRUE,Size,S,sock-s,10,4,5.00,,active\n", "sock,,,,,,,,,M,sock-m,10,4,5.00,,\n", "sock,,,,,,,,,L,sock-l,10,4,5.00,,\n",
		"hat,Hat,,,,,,TRUE,,,hat,10,4,5.00,,active\n",
	}
	s.load(strings.NewReader(header + strings.Join(rows, "")))
	before := s.find("sock").Version
	for _, step := range []struct{ rows, want string }{
		{rows[0] + strings.Replace(rows[1], "5.00", "free", 1) + rows[3], "sock-s sock-m sock-l"},
		{rows[0] + "sock,,\"\n" + rows[3], "sock-s sock-m sock-l"},
		{rows[0] + rows[3] + rows[1], "sock-s sock-m sock-l"}, // sorted otherwise: the last row is refused
		{rows[0] + rows[2] + rows[3], "sock-s sock-l"},
		{rows[0] + rows[1] + rows[3], "sock-s sock-m"}, // one is back
	} {
		done, _ := s.load(strings.NewReader(header + step.rows))
		if got := s.skus("sock"); got != step.want || done.Products != 2 || s.skus("hat") != "hat" {
			t.Errorf("after %+v of %q there are %s, want %s", done, step.rows, got, step.want)
		}
	}
	if after := s.find("sock").Version; after != before+2 {
		t.Errorf("version %d became %d, by two changes", before, after)
	}
	handles, err := s.Handles(t.Context(), []string{"sock-l"})
	if err != nil || handles["sock-l"] != "sock" {
		t.Errorf("the SKU of a variant that is gone is of %v, %v", handles, err)
	}
	if _, ok := s.find("sock").Offer("sock-l", "USD"); ok || s.offered("sock-l") || !s.offered("sock-m") {
		t.Error("what is gone is offered, or what is back is not")
	}
}

// TestPricesNotGivenAgain imports first in some currencies, then in others: what stays of the former is found out, variant by
// variant, and of what is not imported again nothing is said.
func TestPricesNotGivenAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	in := func(sku string, currencies ...money.Currency) catalog.Product {
		p := catalog.Product{Handle: sku, Title: sku, Active: true, Variants: []catalog.Variant{{SKU: sku}}}
		for _, c := range currencies {
			p.Variants[0].Prices = append(p.Variants[0].Prices, money.Money{Minor: 500, Currency: c})
		}
		return p
	}
	ended := in("a", "USD")
	ended.Variants[0].Unpriced = []money.Currency{"EUR"}
	for _, step := range []struct {
		products []catalog.Product
		want     map[money.Currency]int
	}{
		{[]catalog.Product{in("a", "USD", "EUR"), in("b", "USD"), in("c", "GBP", "EUR")}, nil},
		{[]catalog.Product{in("a", "USD"), in("b", "USD")}, map[money.Currency]int{"EUR": 1}},
		{[]catalog.Product{in("a", "USD"), in("b", "EUR")}, map[money.Currency]int{"EUR": 1, "USD": 1}}, // both are the file's
		{[]catalog.Product{in("c", "JPY")}, map[money.Currency]int{"GBP": 1, "EUR": 1}},
		{[]catalog.Product{in("c")}, map[money.Currency]int{"GBP": 1, "EUR": 1, "JPY": 1}},
		{[]catalog.Product{ended, in("b", "USD", "EUR")}, nil},
	} {
		from := list(step.products)
		done, err := catalog.Import(t.Context(), s.Store, stocksql.New(s.db, regions.Default()), &from, func(catalog.Imported, error) {})
		if err != nil || !maps.Equal(done.Kept, step.want) {
			t.Errorf("after %v there stay %v, %v, want %v", step.products, done.Kept, err, step.want)
		}
	}
	if got, err := s.Currencies(t.Context()); err != nil || !slices.Equal(got, []money.Currency{"EUR", "GBP", "JPY", "USD"}) {
		t.Errorf("the shop sells in %v, %v", got, err)
	}
}

// TestComparedAndEndedPrices shows what a variant cost before, and ends its price in a currency that it is not sold in.
func TestComparedAndEndedPrices(t *testing.T) {
	t.Parallel()
	s := open(t)
	eur, usd := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }, func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "USD"} }
	for i, step := range []struct {
		prices, compareAt []money.Money
		unpriced          []money.Currency
		want              string
		changes           int
	}{
		{[]money.Money{usd(900), eur(800)}, []money.Money{usd(1200)}, nil, "[8.00 EUR 9.00 USD] before [12.00 USD]", 1},
		{[]money.Money{usd(900), eur(800)}, []money.Money{usd(1200)}, nil, "[8.00 EUR 9.00 USD] before [12.00 USD]", 0},
		{[]money.Money{usd(900)}, []money.Money{usd(1000)}, nil, "[8.00 EUR 9.00 USD] before [10.00 USD]", 1},
		{[]money.Money{usd(900)}, nil, []money.Currency{"EUR", "GBP"}, "[9.00 USD] before []", 1},
		{[]money.Money{usd(900)}, nil, []money.Currency{"EUR"}, "[9.00 USD] before []", 0},
		{nil, nil, []money.Currency{"USD", "EUR"}, "[] before []", 1},
	} {
		changed := s.put(catalog.Product{Handle: "a", Title: "A", Active: true, Variants: []catalog.Variant{
			{SKU: "a", Prices: step.prices, CompareAt: step.compareAt, Unpriced: step.unpriced},
		}})
		v := s.find("a").Variants[0]
		if got := fmt.Sprint(v.Prices, " before ", v.CompareAt); got != step.want || changed != step.changes {
			t.Errorf("%d: %s, %d changed, want %s, %d", i, got, changed, step.want, step.changes)
		}
	}
	// A former release changes the price alone, and what it was before is not above it any more.
	s.put(catalog.Product{Handle: "a", Title: "A", Active: true, Variants: []catalog.Variant{{SKU: "a", Prices: []money.Money{usd(900)}, CompareAt: []money.Money{usd(1200)}}}})
	if _, err := s.db.Pool().Exec(t.Context(), `UPDATE prices SET minor = 1300 WHERE sku = 'a'`); err != nil {
		t.Fatal(err)
	}
	if v := s.find("a").Variants[0]; len(v.CompareAt) > 0 {
		t.Errorf("13.00 is shown as reduced from %v", v.CompareAt)
	}
}

func (s shop) offered(sku string) bool {
	s.t.Helper()
	offers := map[string]checkout.Offer{}
	err := s.db.InTx(s.t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		catalogsql.QueueOffers(batch, []string{sku}, "USD", offers)
		return tx.Send(s.t.Context(), batch)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	_, ok := offers[sku]
	return ok
}

// TestUnlisted finds what is not in lists by its handle, and sells it.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	s := open(t)
	done, bad := s.load(strings.NewReader(header +
		"gone,Sock,,,Socks,,,TRUE,,,gone,10,4,5.00,,draft\n" +
		"secret,Sock,,,Socks,,,TRUE,,,secret,10,4,5.00,,Unlisted\n" +
		"unpublished,Sock,,,Socks,,,FALSE,,,unpublished,10,4,5.00,,active\n"))
	if done.Products != 3 || done.Listed != 0 || len(bad) > 0 {
		t.Errorf("%+v, %v", done, bad)
	}
	service := catalog.New(s.Store)
	for handle, want := range map[string]bool{"gone": false, "secret": true, "unpublished": true} {
		if _, err := service.Product(t.Context(), handle); (err == nil) != want {
			t.Errorf("%s is found: %v", handle, err)
		}
		if s.offered(handle) != want {
			t.Errorf("%s is offered: %t", handle, !want)
		}
	}
	all, _ := s.Page(t.Context(), "", "", 10)
	some, _ := s.Page(t.Context(), "Socks", "", 10)
	found, _ := s.Search(t.Context(), "sock", 0, 10)
	if len(all)+len(some)+len(found) > 0 {
		t.Errorf("listed are %v, %v and %v", all, some, found)
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

package shopify_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// readAll reads a file to its end. It fails the test on an error that is neither a *RowError nor io.EOF.
func readAll(t tester, in io.Reader, o sheet.Options) (products []catalog.Product, bad []*sheet.RowError) {
	t.Helper()
	r, err := shopify.NewReader(in, o)
	if err != nil {
		t.Fatalf("NewReader: %v", err)
	}
	for {
		p, err := r.Next()
		var rowErr *sheet.RowError
		switch {
		case errors.Is(err, io.EOF):
			return products, bad
		case errors.As(err, &rowErr):
			bad = append(bad, rowErr)
		case err != nil:
			t.Fatalf("Next: %v", err)
		default:
			products = append(products, p)
		}
	}
}

func usd(minor int64) money.Money { return money.Money{Minor: minor, Currency: "USD"} }

func TestRealExport(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "shopify-products.csv"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the sample export is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	products, bad := readAll(t, file, sheet.Options{Rates: []sheet.Rate{{To: "JPY", Numerator: 3, Denominator: 2}}})
	for _, b := range bad {
		t.Errorf("unexpected: %v", b)
	}
	if len(products) != 2465 {
		t.Fatalf("%d products, want 2465", len(products))
	}
	want := catalog.Product{
		Handle: "adventure-ready-expedition-backpack", Title: "Adventure-Ready Expedition Backpack",
		Vendor: "Retail Demo Store", Category: "Accessories > Backpack", Type: "backpack",
		Tags: []string{"accessories", "backpack"}, Active: true, Options: []string{"Title", "", ""},
		Images: []string{"images/accessories/6579c22f-be2b-444c-a52b-0116dd82df6c.jpg"},
		Variants: []catalog.Variant{{
			SKU: "6579C22F", Options: []string{"Default Title", "", ""}, Stock: 15, Prices: []money.Money{usd(12999), {Minor: 19499, Currency: "JPY"}},
		}},
	}
	want.Description = products[0].Description
	if diff := cmp.Diff(want, products[0]); diff != "" {
		t.Errorf("first product (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(want.Description, "<p>Embark") || !strings.HasSuffix(want.Description, "</p>") {
		t.Errorf("description is %q", want.Description)
	}
}

func TestProduct(t *testing.T) {
	t.Parallel()
	file := "\uFEFF" + strings.ReplaceAll(`Title,handle,Unknown,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Variant Barcode,Image Src,Status
"Moor ""Classic"" Coat",moor-coat,?,"<p>Warm,
dry</p>",Fell & Co,Clothing>Coats,coat," rain, wool,rain,",true,Size,S,Color,Moss,,,MC-S,453.59237,3,129.9,'0123,moor/1.jpg,Active
,moor-coat,?,,,,,,,,,,,,,,,,,,https://cdn.example.com/moor/2.jpg,
,moor-coat,?,,,,,,,,M,,Moss,,,'MC-M,,,130,,moor/1.jpg,
,,,,,,,,,,,,,,,,,,,,,
Gift wrap,wrap,?,,,,,,FALSE,Title,Default Title,,,,,,,,0,,,
Ladder,ladder,?,,,,,,,,,,,,,L1,,1,9.00,,,draft
`, "\n", "\r\n")
	products, bad := readAll(t, strings.NewReader(file), sheet.Options{})
	if len(bad) > 0 {
		t.Errorf("unexpected: %v", bad)
	}
	want := []catalog.Product{
		{
			Handle: "moor-coat", Title: `Moor "Classic" Coat`, Description: "<p>Warm,\ndry</p>", Vendor: "Fell & Co",
			Category: "Clothing > Coats", Type: "coat", Tags: []string{"rain", "wool"}, Active: true, Options: []string{"Size", "Color", ""},
			Images: []string{"moor/1.jpg", "https://cdn.example.com/moor/2.jpg"},
			Variants: []catalog.Variant{
				{SKU: "MC-S", Title: "S / Moss", Options: []string{"S", "Moss", ""}, Barcode: "0123", Grams: 454, Stock: 3, Prices: []money.Money{usd(12990)}},
				{SKU: "MC-M", Title: "M / Moss", Options: []string{"M", "Moss", ""}, Stock: -1, Prices: []money.Money{usd(13000)}},
			},
		},
		{Handle: "wrap", Title: "Gift wrap", Active: true, Unlisted: true, Options: []string{"Title", "", ""}, Variants: []catalog.Variant{
			{SKU: products[1].Variants[0].SKU, Options: []string{"Default Title", "", ""}, Stock: -1, Prices: []money.Money{usd(0)}},
		}},
		{Handle: "ladder", Title: "Ladder", Options: []string{"", "", ""}, Variants: []catalog.Variant{
			{SKU: "L1", Options: []string{"", "", ""}, Stock: 1, Prices: []money.Money{usd(900)}},
		}},
	}
	if diff := cmp.Diff(want, products); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestGeneratedSKU(t *testing.T) {
	t.Parallel()
	file := "Handle,Title,Option1 Name,Option1 Value,Variant Price\n" +
		"tea-towel,Towel,Color,Red,1\ntea-towel,,,red,1\ntea-towel,,,赤,1\ntea-towel,,,青,1\ntea,Tea,,,1\n" +
		strings.Repeat("long-", 50) + ",Long,,,1\n"
	first, _ := readAll(t, strings.NewReader(file), sheet.Options{})
	second, _ := readAll(t, strings.NewReader(file), sheet.Options{})
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two readings differ:\n%s", diff)
	}
	seen := map[string]bool{}
	for _, p := range first {
		for _, v := range p.Variants {
			seen[v.SKU] = true
			if len(v.SKU) > 60 {
				t.Errorf("SKU %q is long", v.SKU)
			}
		}
	}
	if len(seen) != 6 {
		t.Errorf("SKUs are %v, want 6 of them", seen)
	}
	if !seen["tea-4d530cbb68"] {
		t.Errorf("SKUs are %v; tea's must never change, since imports find variants by it", seen)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	options := sheet.Options{Currency: "EUR", Rates: []sheet.Rate{
		{To: "USD", Numerator: 108, Denominator: 100},
		{To: "JPY", Numerator: 8, Denominator: 5},
		{To: "KWD", Numerator: 33, Denominator: 10},
		{To: "VND", Numerator: 1, Denominator: 1000},
	}}
	file := "Handle,Title,Variant Price\na,A,10.01\nb,B,0.01\nc,C,0\n"
	products, bad := readAll(t, strings.NewReader(file), options)
	if len(bad) > 0 {
		t.Fatalf("unexpected: %v", bad)
	}
	want := []string{
		"[10.01 EUR 10.81 USD 1602 JPY 3.303 KWD 1 VND]",
		"[0.01 EUR 0.01 USD 2 JPY 0.003 KWD 1 VND]",
		"[0.00 EUR 0.00 USD 0 JPY 0.000 KWD 0 VND]",
	}
	for i, p := range products {
		if got := fmt.Sprint(p.Variants[0].Prices); got != want[i] {
			t.Errorf("prices are %s, want %s", got, want[i])
		}
	}
}

func TestRateOverTheLimit(t *testing.T) {
	t.Parallel()
	for _, rate := range []sheet.Rate{
		{To: "VND", Numerator: 250, Denominator: 1},
		{To: "VND", Numerator: math.MaxInt64, Denominator: 1},
	} {
		file := "Handle,Title,Variant Price\na,A,1000000\nb,B,0\n"
		products, bad := readAll(t, strings.NewReader(file), sheet.Options{Rates: []sheet.Rate{rate}})
		if got := len(products); got != 1 || products[0].Handle != "b" {
			t.Errorf("%+v: products are %s", rate, shapes(products))
		}
		if len(bad) != 1 || bad[0].Line != 2 || bad[0].Reason != sheet.ReasonPrice {
			t.Errorf("%+v: errors are %v", rate, bad)
		}
	}
}

func TestNewReaderErrors(t *testing.T) {
	t.Parallel()
	const header = "Handle,Title,Variant Price\n"
	for name, test := range map[string]struct {
		file    string
		options sheet.Options
		reason  string
		message string
	}{
		"empty":           {"", sheet.Options{}, "NOT_A_PRODUCT_FILE", "it is empty"},
		"only a mark":     {"\uFEFF\n\n", sheet.Options{}, "NOT_A_PRODUCT_FILE", "it is empty"},
		"another table":   {"id,name\n1,x\n", sheet.Options{}, "NOT_A_PRODUCT_FILE", "lacks the columns Handle, Title, Variant Price"},
		"no price":        {"Handle,Title\n", sheet.Options{}, "NOT_A_PRODUCT_FILE", "lacks the column Variant Price"},
		"column twice":    {"Handle,Title,Variant Price,title\n", sheet.Options{}, "NOT_A_PRODUCT_FILE", "Title twice"},
		"malformed":       {"Handle,Ti\"tle,Variant Price\n", sheet.Options{}, "NOT_A_PRODUCT_FILE", "cannot be read: a quote"},
		"UTF-16":          {"\xff\xfeH\x00a\x00n\x00d\x00l\x00e\x00", sheet.Options{}, "NOT_A_PRODUCT_FILE", "lacks the columns Title"},
		"binary":          {strings.Repeat("\x89PNG", 1<<19), sheet.Options{}, "NOT_A_PRODUCT_FILE", "longer than"},
		"spreadsheet":     {"PK\x03\x04\x14\x00", sheet.Options{}, "NOT_A_PRODUCT_FILE", "save it as CSV"},
		"currency":        {header, sheet.Options{Currency: "XXX"}, "UNKNOWN_CURRENCY", `"XXX"`},
		"lower case":      {header, sheet.Options{Currency: "usd"}, "UNKNOWN_CURRENCY", `"usd"`},
		"rate's currency": {header, sheet.Options{Rates: []sheet.Rate{{To: "ZZZ", Numerator: 1, Denominator: 1}}}, "UNKNOWN_CURRENCY", `"ZZZ"`},
		"rate to itself":  {header, sheet.Options{Rates: []sheet.Rate{{To: "USD", Numerator: 1, Denominator: 1}}}, "CURRENCY_TWICE", "USD"},
		"rate twice":      {header, sheet.Options{Rates: []sheet.Rate{{To: "EUR", Numerator: 1, Denominator: 1}, {To: "EUR", Numerator: 1, Denominator: 1}}}, "CURRENCY_TWICE", "EUR"},
		"rate zero":       {header, sheet.Options{Rates: []sheet.Rate{{To: "EUR", Numerator: 0, Denominator: 1}}}, "BAD_RATE", "0/1"},
		"rate by zero":    {header, sheet.Options{Rates: []sheet.Rate{{To: "EUR", Numerator: 1, Denominator: 0}}}, "BAD_RATE", "1/0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := shopify.NewReader(strings.NewReader(test.file), test.options)
			if fault.Reason(err) != test.reason || !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error is %v, want %s with %q", err, test.reason, test.message)
			}
		})
	}
}

func TestBrokenInput(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	if _, err := shopify.NewReader(iotest.ErrReader(broken), sheet.Options{}); !errors.Is(err, broken) {
		t.Errorf("NewReader: %v, want %v", err, broken)
	}
	in := io.MultiReader(strings.NewReader("Handle,Title,Variant Price\na,A,1\nb,B,1\nb"), iotest.ErrReader(broken))
	r, err := shopify.NewReader(in, sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Next(); err != nil || p.Handle != "a" {
		t.Errorf("Next: %v, %v, want product a", p.Handle, err)
	}
	for range 2 { // b may lack rows, and is never returned
		if p, err := r.Next(); !errors.Is(err, broken) {
			t.Errorf("Next: %v, %v, want %v", p.Handle, err, broken)
		}
	}
}

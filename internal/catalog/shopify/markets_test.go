package shopify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// markets reads the sample with markets and renders what each variant costs, and what was said.
func markets(t *testing.T, o sheet.Options) (costs, said []string) {
	t.Helper()
	o.Note = func(s string) { said = append(said, s) }
	products, bad := readAll(t, strings.NewReader(sample(t, "markets.csv")), o)
	if len(bad) > 0 {
		t.Errorf("errors are %v", bad)
	}
	for _, p := range products {
		for _, v := range p.Variants {
			costs = append(costs, fmt.Sprint(v.SKU, " ", v.Prices, " before ", v.CompareAt, " not ", v.Unpriced))
		}
	}
	return costs, said
}

// TestMarkets has markets with prices of their own, with the file's, in one currency, that exclude a product, and one
// that is no country.
func TestMarkets(t *testing.T) {
	t.Parallel()
	costs, said := markets(t, sheet.Options{})
	if diff := cmp.Diff([]string{
		"LAMP-R [20.00 USD 27.00 CAD 19.00 EUR] before [25.00 USD 35.00 CAD] not []",
		"LAMP-B [20.00 USD 28.00 CAD 19.00 EUR] before [] not []",
		"RUG [95.00 USD] before [] not [CAD EUR]",
		"VASE [38.00 EUR] before [] not [USD CAD]",
	}, costs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"1 variants (the first on line 2) have a price of the market International, whose currency is not known: it is left aside; --market \"International\"=… says the currency",
		"1 variants (the first on line 2) cost something else in the market France than in Deutschland, in the same currency: the price of Deutschland holds",
		"1 variants (the first on line 3) have a compare-at price that is not above their price: it is not shown",
		"1 variants (the first on line 4) are not sold in the market International, whose currency is not known: they are sold for every price that they have; --market \"International\"=… says the currency",
		"1 variants (the first on line 4) cost something else in the market United States than Variant Price says, in the same currency: the market's price holds",
		"1 variants (the first on line 5) have a compare-at price in the market Canada, and no price: it is left aside",
		"1 variants (the first on line 5) have no price in the market Canada: they are not sold in CAD",
		"1 variants (the first on line 5) are not sold in the market Deutschland, but in another one that pays in EUR: they are sold to all who pay in it",
	}, said); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMarketsThatAreNoCountries(t *testing.T) {
	t.Parallel()
	costs, _ := markets(t, sheet.Options{
		Markets: map[string]money.Currency{"international": "GBP", "Canada": "USD"},
		Rates:   []sheet.Rate{{To: "EUR", Numerator: 1, Denominator: 2}, {To: "JPY", Numerator: 3, Denominator: 2}},
	})
	if diff := cmp.Diff([]string{
		"LAMP-R [3000 JPY 20.00 USD 19.00 EUR 23.00 GBP] before [3750 JPY 25.00 USD] not []", // the market's price, not the rate's
		"LAMP-B [3000 JPY 20.00 USD 19.00 EUR] before [] not [GBP]",
		"RUG [13500 JPY 95.00 USD] before [] not [EUR GBP]",
		"VASE [6000 JPY 40.00 USD 38.00 EUR] before [60.00 USD] not [GBP]", // Canada's dollars are those of the States, by the flag
	}, costs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err := shopify.NewReader(strings.NewReader(sample(t, "markets.csv")), sheet.Options{Markets: map[string]money.Currency{"Inter": "EUR"}})
	if fault.Reason(err) != "MARKET_UNKNOWN" || !strings.Contains(err.Error(), "United States, Canada, Deutschland, France, International") {
		t.Errorf("a market that is not in the file: %v", err)
	}
}

// TestMarketNames has those of stores in several languages, by which their currencies are known.
func TestMarketNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"United Kingdom": "GBP", "UK": "GBP", "日本": "JPY", "Schweiz": "CHF", "us": "USD", "India": "INR", "Kuwait": "KWD", "European Union": "EUR",
		"EUR": "EUR", "Kroatien": "EUR", "Bulgaria": "EUR", "Kenya": "KES", "Dominica": "XCD", "Reino Unido": "GBP", "대한민국": "KRW",
	} {
		file := "Handle,Title,Variant Price,Price / " + name + "\na,A,1,2000\n"
		products, bad := readAll(t, strings.NewReader(file), sheet.Options{Currency: "SEK"})
		if len(bad) > 0 || len(products) != 1 || len(products[0].Variants[0].Prices) != 2 || string(products[0].Variants[0].Prices[1].Currency) != want {
			t.Errorf("%s: %v, %v, want a price in %s", name, products, bad, want)
		}
	}
}

// TestPricesOfMarketsAlone has a variant without a price in the file's own currency, and one without any.
func TestPricesOfMarketsAlone(t *testing.T) {
	t.Parallel()
	file := "Handle,Title,Variant Price,Compare At Price / EUR,Price / EUR,Included / USD\na,A,,12,9,\nb,B,,12,,\nc,C,,,,FALSE\nd,D,1,,,TRUE\n"
	products, bad := readAll(t, strings.NewReader(file), sheet.Options{Rates: []sheet.Rate{{To: "JPY", Numerator: 3, Denominator: 2}}})
	var got []string
	for _, p := range products {
		v := p.Variants[0]
		got = append(got, fmt.Sprint(p.Handle, v.Prices, v.CompareAt, v.Unpriced))
	}
	if all := strings.Join(got, " "); all != "a[9.00 EUR] [12.00 EUR] [] c[] [] [EUR USD] d[150 JPY 1.00 USD] [] [EUR]" {
		t.Errorf("products are %s", all)
	}
	if len(bad) != 1 || bad[0].Line != 3 || bad[0].Reason != sheet.ReasonMissing {
		t.Errorf("errors are %v", bad)
	}
}

func TestBadMarketCells(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		"a,A,1,maybe,2\n":  "Included / Canada BAD_FLAG",
		"a,A,1,TRUE,two\n": "Price / Canada BAD_PRICE",
	} {
		file := "Handle,Title,Variant Price,Included / Canada,Price / Canada\n" + row + "b,B,1,,\n"
		products, bad := readAll(t, strings.NewReader(file), sheet.Options{})
		if len(products) != 1 || len(bad) != 1 || bad[0].Line != 2 || bad[0].Column+" "+bad[0].Reason != want {
			t.Errorf("%q: %s and %v", row, shapes(products), bad)
		}
	}
	_, err := shopify.NewReader(strings.NewReader("Handle,Title,Variant Price,Price / Canada,price / CANADA\n"), sheet.Options{})
	if fault.Reason(err) != "NOT_A_PRODUCT_FILE" {
		t.Errorf("a market twice: %v", err)
	}
}

// TestNewColumnNames reads the columns as exports call them since 2025.
func TestNewColumnNames(t *testing.T) {
	t.Parallel()
	file := "Title,URL handle,Description,Published on online store,Status,SKU,Price,Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Weight value (grams),Product image URL,SEO title\n" +
		"Mug,mug,<p>Holds tea.</p>,TRUE,Active,MUG,9.00,12.00,shopify,4,DENY,300,mug.jpg,Mugs\n"
	var said []string
	products, bad := readAll(t, strings.NewReader(file), sheet.Options{Note: func(s string) { said = append(said, s) }})
	if len(bad) > 0 || len(products) != 1 {
		t.Fatalf("%v, %v", products, bad)
	}
	v := products[0].Variants[0]
	if v.SKU != "MUG" || v.Stock != 4 || v.Grams != 300 || len(v.CompareAt) != 1 || products[0].Description == "" || len(products[0].Images) != 1 {
		t.Errorf("%+v", products[0])
	}
	if len(said) != 1 || !strings.HasSuffix(said[0], ": SEO title") {
		t.Errorf("it said %q: what is left aside is named", said)
	}
}

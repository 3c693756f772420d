package shopify_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/money"
)

// words draws what a cell may hold, with what CSV has to quote.
func words(of string, least int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.TrimSpace(rapid.StringOfN(rapid.SampledFrom([]rune(of)), least, 12, -1).Draw(t, "text"))
	}).Filter(func(s string) bool { return len(s) >= least })
}

var currencies = []money.Currency{"EUR", "JPY", "KWD", "USD"}

// drawProducts draws products as a store has them.
func drawProducts(t *rapid.T) (products []catalog.Product) {
	line := words("aé,;\"' /|=\t<", 1).Filter(func(s string) bool { return !strings.Contains(s, "\t") })
	handles := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "nhẫn-1", "指輪", "™", "b-2"}), 1, 3, rapid.ID).Draw(t, "handles")
	for i, handle := range handles {
		p := catalog.Product{
			Handle: handle, Title: line.Draw(t, "title"), Description: words("a\r\n\",<é ", 0).Draw(t, "description"), Vendor: line.Draw(t, "vendor"),
			Active: rapid.Bool().Draw(t, "active"), Unlisted: rapid.Bool().Draw(t, "unlisted"), Tags: []string{}, Images: []string{},
		}
		for j := range rapid.IntRange(0, 4).Draw(t, "images") {
			p.Images = append(p.Images, fmt.Sprintf("images/%d, %d.jpg", handle[0], j))
		}
		options := rapid.SliceOfNDistinct(line, 1, 3, rapid.ID).Draw(t, "options")
		p.Options = []string{"Size"}
		if len(options) == 1 && rapid.Bool().Draw(t, "without options") {
			p.Options, options = []string{}, []string{""}
		}
		for j, option := range options {
			v := catalog.Variant{SKU: fmt.Sprintf("%s%d-%d", rapid.SampledFrom([]string{"", "'", "''"}).Draw(t, "mark"), i, j), Title: option, Options: []string{option}}
			if option == "" {
				v.Options = []string{}
			}
			v.Grams, v.Stock = rapid.IntRange(0, 9).Draw(t, "grams"), rapid.SampledFrom([]int{-1, 0, 7, sheet.MaxQuantity}).Draw(t, "units")
			for _, c := range rapid.SliceOfNDistinct(rapid.SampledFrom(currencies), 0, 4, rapid.ID).Draw(t, "currencies") {
				v.Prices = append(v.Prices, money.Money{Minor: rapid.Int64Range(0, 99999).Draw(t, "price"), Currency: c})
			}
			for _, c := range currencies { // the file says in which there is no price
				if _, priced := v.Price(c); !priced {
					v.Unpriced = append(v.Unpriced, c)
				}
			}
			for _, price := range v.Prices {
				if rapid.Bool().Draw(t, "reduced") {
					v.CompareAt = append(v.CompareAt, money.Money{Minor: price.Minor + 1, Currency: price.Currency})
				}
			}
			p.Variants = append(p.Variants, v)
		}
		products = append(products, p)
	}
	return products
}

// TestWhatIsWrittenIsRead draws products, and reads them out of the file that they were written into.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		products := drawProducts(t)
		var file bytes.Buffer
		w, err := shopify.NewWriter(&file, "USD", currencies)
		if err == nil {
			err = w.Write(products)
		}
		if err != nil {
			t.Fatal(err)
		}
		read, bad := readAll(t, bytes.NewReader(file.Bytes()), sheet.Options{Currency: "USD"})
		for i, p := range read {
			if read[i], err = catalog.Identify(p, nil, nil); err != nil { // as a store completes it
				t.Fatal(err)
			}
			for j := range read[i].Variants {
				read[i].Variants[j].ID = ""
			}
		}
		byCurrency := cmpopts.SortSlices(func(a, b money.Money) bool { return a.Currency < b.Currency })
		if diff := cmp.Diff(products, read, byCurrency, cmpopts.EquateEmpty()); diff != "" || len(bad) > 0 {
			t.Fatalf("%v\n%s\n%s", bad, diff, file.String())
		}
	})
}

// breaking is an output that takes so many bytes.
type breaking struct{ left int }

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("the disk is full")

func TestOutputThatIsFull(t *testing.T) {
	t.Parallel()
	if _, err := shopify.NewWriter(&breaking{}, "USD", nil); !errors.Is(err, errFull) {
		t.Errorf("the header: %v", err)
	}
	w, err := shopify.NewWriter(&breaking{left: 1000}, "USD", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(slices.Repeat([]catalog.Product{{Handle: "a", Title: "A", Variants: []catalog.Variant{{SKU: "1"}}}}, 100)); !errors.Is(err, errFull) {
		t.Errorf("the products: %v", err)
	}
}

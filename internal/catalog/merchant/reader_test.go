package merchant_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/merchant"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// november is when the feeds of these tests are imported.
var november = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// readAll reads a feed to its end.
func readAll(t *testing.T, feed string, o sheet.Options) (products []catalog.Product, bad []*sheet.RowError, said []string) {
	t.Helper()
	o.Note = func(s string) { said = append(said, s) }
	o.Now = november
	r, err := merchant.NewReader(strings.NewReader(feed), o)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		var row *sheet.RowError
		switch {
		case errors.Is(err, io.EOF):
			return products, bad, said
		case errors.As(err, &row):
			bad = append(bad, row)
		case err != nil:
			t.Fatal(err)
		default:
			products = append(products, p)
		}
	}
}

// sample reads a file of testdata.
func sample(t *testing.T, name string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

// TestFeeds shows what becomes of each kind of item, what is refused, and what is assumed.
func TestFeeds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"feed.tsv", "feed.xml", "feed.atom"} {
		products, bad, said := readAll(t, sample(t, name), sheet.Options{})
		var b strings.Builder
		for _, e := range bad {
			fmt.Fprintln(&b, e)
		}
		for _, s := range said {
			fmt.Fprintln(&b, s)
		}
		for _, p := range products {
			fmt.Fprintf(&b, "%s %q by %q in %q, active %t, partial %t\n\t%q\n\ttags %q\n\timages %q\n",
				p.Handle, p.Title, p.Vendor, p.Category, p.Active, p.Partial, p.Description, p.Tags, p.Images)
			for _, v := range p.Variants {
				fmt.Fprintf(&b, "\t%s %q %s %v before %v, %d units, %d g\n", v.SKU, v.Title, v.Barcode, v.Prices, v.CompareAt, v.Stock, v.Grams)
			}
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(sample(t, name+".golden"), b.String()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestItemsOnOneLine are those of a feed without line breaks, in which lines tell nothing apart.
func TestItemsOnOneLine(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, strings.ReplaceAll(sample(t, "feed.xml"), "\n", ""), sheet.Options{})
	if len(products) != 1 || len(products[0].Variants) != 2 || len(bad) != 1 {
		t.Errorf("%+v, %v", products, bad)
	}
}

// TestGroups has items that only their titles tell apart, that nothing does, and ids that are alike as handles.
func TestGroups(t *testing.T) {
	t.Parallel()
	const header = "id,item_group_id,title,price,availability,size\n"
	for items, want := range map[string]string{
		"a,G,Small,1 USD,in_stock,\nb,G,Large,1 USD,in_stock,\n":                       "g[a Small b Large]",
		"a,G,Same,1 USD,in_stock,\nb,G,Same,1 USD,in_stock,\n":                         "g[a Same] 3 DUPLICATE_OPTIONS",
		"a,G,T,1 USD,in_stock,S\nx,,X,1 USD,in_stock,\nb,G,T,1 USD,in_stock,M\n":       "x[x ] g[a S b M]",
		"a,,A,1 USD,in_stock,\na,G,A,1 USD,in_stock,\n":                                "a[a ] 3 DUPLICATE_SKU",
		"g,,A,1 USD,in_stock,\na,G,A,1 USD,in_stock,\n":                                "g[g ] 3 DUPLICATE_HANDLE",
		"A/1,,A,1 USD,in_stock,\nA 1,,B,1 USD,in_stock,\n":                             "a-1-a5b3d27a72[A/1 ] a-1-937bb40e81[A 1 ]",
		",,A,1 USD,in_stock,\nb,,B,1 USD,in_stock,\n":                                  "b[b ] 2 MISSING_VALUE",
		"a,G,,1 USD,in_stock,S\nb,G,B,1 USD,in_stock,M\n":                              "g[b M] 2 MISSING_VALUE",
		"a,,A,1 USD,in_stock," + strings.Repeat("x", 300) + "\nb,,B,1 USD,in_stock,\n": "a[a ] b[b ] 2 TOO_LONG",
	} {
		products, bad, _ := readAll(t, header+items, sheet.Options{})
		var got []string
		for _, p := range products {
			var variants []string
			for _, v := range p.Variants {
				variants = append(variants, v.SKU+" "+v.Title)
			}
			got = append(got, fmt.Sprint(p.Handle, variants))
		}
		for _, e := range bad {
			got = append(got, fmt.Sprint(e.Line, " ", e.Reason))
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%q: %s, want %s", items, all, want)
		}
	}
}

// TestLeftOutItems may be some that their product has: it loses none by that.
func TestLeftOutItems(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, "id,item_group_id,title,price,size\na,H,A,1 USD,S\na,G,A,1 USD,S\nb,G,A,1 USD,M\nc,,C,1 USD,\n", sheet.Options{})
	var got []string
	for _, p := range products {
		got = append(got, fmt.Sprint(p.Handle, " ", p.Partial))
	}
	if all := strings.Join(got, " "); all != "h false g true c false" || len(bad) != 1 {
		t.Errorf("%s, %v", all, bad)
	}
}

// TestPrices are in the currency that they name, and converted only from the one that rates are from.
func TestPrices(t *testing.T) {
	t.Parallel()
	rates := sheet.Options{Currency: "EUR", Rates: []sheet.Rate{{To: "JPY", Numerator: 8, Denominator: 5}}}
	for price, want := range map[string]string{
		"12.99 USD": "[12.99 USD]", "EUR 12.99": "[12.99 EUR 2078 JPY]", "1299JPY": "[1299 JPY]", "12.99": "[12.99 EUR 2078 JPY]", "12.99 eur": "[12.99 EUR 2078 JPY]",
		"12,99 EUR": "BAD_PRICE", "USD": "BAD_PRICE", "12.99 QQQ": "BAD_PRICE", "-1 EUR": "BAD_PRICE", "1e3 EUR": "BAD_PRICE", "12.999 EUR": "BAD_PRICE", "1.500 EUR": "BAD_PRICE",
	} {
		o := rates
		if strings.Contains(want, "USD") || price == "1299JPY" {
			_, bad, _ := readAll(t, "id\ttitle\tprice\na\tA\t"+price+"\n", o)
			if len(bad) != 1 || !strings.Contains(bad[0].Message, "rates that are from EUR") {
				t.Errorf("%s at rates from EUR: %v", price, bad)
			}
			o.Rates = nil
		}
		products, bad, _ := readAll(t, "id\ttitle\tprice\na\tA\t"+price+"\n", o)
		got := ""
		if len(products) == 1 {
			got = fmt.Sprint(products[0].Variants[0].Prices)
		} else if len(bad) == 1 {
			got = bad[0].Reason
		}
		if got != want {
			t.Errorf("%s: %s, want %s", price, got, want)
		}
	}
}

// TestBrokenXML is refused as a whole, with the line.
func TestBrokenXML(t *testing.T) {
	t.Parallel()
	whole := sample(t, "feed.xml")
	for name, test := range map[string]struct{ feed, says string }{
		"torn":         {whole[:len(whole)/2], "line 16 of the feed is not XML"},
		"not closed":   {strings.Replace(whole, "</g:color>", "", 1), "nothing is loaded"},
		"entity":       {strings.Replace(whole, "free", "&none;", 1), "line 23"},
		"not UTF-8":    {strings.Replace(whole, "free", "\xe9", 1), "line 23 of the feed is not XML in its encoding"},
		"a page":       {"<!DOCTYPE html><html><body>", "root is <html>"},
		"empty":        {"<?xml version=\"1.0\"?>", "it is empty"},
		"no encoding":  {"<?xml version=\"1.0\" encoding=\"klingon\"?><rss></rss>", "klingon"},
		"without end":  {"<rss><item><title>" + strings.Repeat("x", 2<<20), "is longer than"},
		"bomb":         {"<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><rss><item><title>&b;</title></item></rss>", "not XML"},
		"many at once": {"<rss><item><title>x</title>" + strings.Repeat("<g:size>S</g:size>", 1<<17), "is longer than"},
	} {
		_, err := merchant.NewReader(strings.NewReader(test.feed), sheet.Options{})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error is %v, want %q in it", name, err, test.says)
		}
	}
}

// TestEncodingsOfXML has documents that declare their encoding, begin with a mark, or neither.
func TestEncodingsOfXML(t *testing.T) {
	t.Parallel()
	const feed = `<rss><item><id>chawan</id><title>茶碗 ソ表</title><price>1200 JPY</price></item></rss>`
	encode := func(e encoding.Encoding, text string) string {
		out, err := e.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, test := range map[string]struct{ feed, encoding string }{
		"UTF-8":              {feed, ""},
		"declared Shift_JIS": {encode(japanese.ShiftJIS, `<?xml version="1.0" encoding="Shift_JIS"?>`+"\n"+feed), ""},
		"named Shift_JIS":    {encode(japanese.ShiftJIS, feed), "shift_jis"},
		"named and declared": {encode(japanese.ShiftJIS, `<?xml version="1.0" encoding="Shift_JIS"?>`+feed), "shift_jis"},
		"UTF-16":             {encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), `<?xml version="1.0" encoding="UTF-16"?>`+feed), ""},
		"CR":                 {strings.ReplaceAll(feed, "><", ">\r<"), ""},
	} {
		products, bad, _ := readAll(t, test.feed, sheet.Options{Encoding: test.encoding})
		if len(bad) > 0 || len(products) != 1 || products[0].Title != "茶碗 ソ表" {
			t.Errorf("%s: %v, %v", name, products, bad)
		}
	}
	broken := encode(japanese.ShiftJIS, `<?xml version="1.0" encoding="Shift_JIS"?>`+feed)
	_, bad, _ := readAll(t, strings.Replace(broken, "chawan", "\xff", 1), sheet.Options{})
	if len(bad) != 1 || bad[0].Reason != sheet.ReasonText {
		t.Errorf("bytes that are none of the encoding's: %v", bad)
	}
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"feed.tsv", "feed.xml", "feed.atom"} {
		file, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Add([]byte("id\titem_group_id\ttitle\tprice\n\"a\tb\n\"a\"\tg\t\"x\ny\"\t1 USD\n"))
	f.Add([]byte("<rss><item><id>a<b>c</b></id><g:price>1</g:price><title>x</title></item><item/></rss>"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := merchant.NewReader(strings.NewReader(string(file)), sheet.Options{Now: november})
		if err != nil {
			return
		}
		handles, skus := map[string]bool{}, map[string]bool{}
		for calls := 0; ; calls++ {
			if calls > 4*len(file)+4 {
				t.Fatalf("%d bytes do not end", len(file))
			}
			p, err := r.Next()
			var bad *sheet.RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &bad):
				if bad.Line < 1 || bad.Reason == "" || bad.Message == "" {
					t.Fatalf("%+v", bad)
				}
				continue
			case err != nil:
				t.Fatal(err)
			}
			if handles[p.Handle] || !sheet.ValidHandle(p.Handle) || p.Title == "" || len(p.Variants) == 0 {
				t.Fatalf("product %+v", p)
			}
			handles[p.Handle] = true
			for _, v := range p.Variants {
				if v.SKU == "" || skus[v.SKU] || v.Stock < -1 || v.Grams < 0 || len(v.Prices) != 1 || v.Prices[0].Minor < 0 {
					t.Fatalf("variant %+v", v)
				}
				skus[v.SKU] = true
			}
		}
	})
}

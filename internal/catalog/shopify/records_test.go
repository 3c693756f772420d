package shopify_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/money"
)

func TestRecovery(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		rows     string // after a header of seven columns on line 1
		products string
		errors   string
	}{
		"quote not closed, no other quote":  {"a,A,\"x,,,a,1\nb,B,x,,,b,1\nc,C,x,,,c,1\n", "b[b] c[c]", "MALFORMED_ROW@2"},
		"quote not closed, quotes follow":   {"a,A,\"x,,,a,1\nb,B,\"x\",,,b,1\nc,C,\"x\",,,c,1\n", "b[b] c[c]", "MALFORMED_ROW@2"},
		"quote not closed, long row next":   {"a,A,\"x,,,a,1\nb,B,\"x\ny\nz\",,,b,1\nc,C,,,,c,1\n", "b[b] c[c]", "MALFORMED_ROW@2"},
		"closed by the next row's opening":  {"a,A,\"x,,,a,1\nb,B,\"\nx\",,,b,1\nc,C,,,,c,1\n", "b[b] c[c]", "WRONG_CELL_COUNT@2"},
		"quote not closed in the last cell": {"a,A,,,,a,\"1\nb,B,,,,b,1\n", "b[b]", "MALFORMED_ROW@2"},
		"quote not closed in the last row":  {"a,A,,,,a,1\nb,B,\"x,,,b,1", "a[a]", "MALFORMED_ROW@3"},
		"one bad row after another":         {"a,A,\"x,,,a,1\nb,B,5\" x,,,b,1\nc,C\nd,D,,,,d,1\n", "d[d]", "MALFORMED_ROW@2 MALFORMED_ROW@3 WRONG_CELL_COUNT@4"},
		"bare quote":                        {"a,5\" A,,,,a,1\nb,B,,,,b,1\n", "b[b]", "MALFORMED_ROW@2"},
		"two bare quotes":                   {"a,\"A\" A,,,,a,1\nb,B,,,,b,1\n", "b[b]", "MALFORMED_ROW@2"},
		"quote inside a long description":   {"a,A,\"x\ny \"y\" y\nz\",,,a,1\nb,B,,,,b,1\n", "b[b]", "MALFORMED_ROW@2"},
		"too few cells":                     {"a,A,,,,a\nb,B,,,,b,1\n", "b[b]", "WRONG_CELL_COUNT@2"},
		"too many cells":                    {"a,A,,,,a,1,\nb,B,,,,b,1\n", "b[b]", "WRONG_CELL_COUNT@2"},
		"bad row inside a product":          {"a,A,,,Red,a1,1\na,,\"x,,Blue,a2,1\na,,,,Pink,a3,1\n", "a[a1 a3]", "MALFORMED_ROW@3"},
		"no handle inside a product":        {"a,A,,,Red,a1,1\n,,,,Blue,a2,1\na,,,,Pink,a3,1\n", "a[a1 a3]", "MISSING_VALUE@3"},
		"first variant bad":                 {"a,A,,Color,Red,a1,?\na,,,,Blue,a2,1\n", "a[a2]", "BAD_PRICE@2"},
		"no variant good":                   {"a,A,,,,a1,?\nb,B,,,,b,1\na,A,,,,a1,1\n", "b[b] a[a1]", "BAD_PRICE@2"},
		"product again":                     {"a,A,,,,a,1\nb,B,,,,b,1\na,A,,,,a2,1\na,,,,,a3,1\n", "a[a] b[b]", "DUPLICATE_HANDLE@4 PRODUCT_REJECTED@5"},
		"blank lines, blank rows":           {"\n\na,A,,,,a,1\n  \n,,,,,,\n,,\nb,B,,,,b,?\n", "a[a]", "BAD_PRICE@8"},
		"CRLF":                              {"a,A,\"x\r\ny\",,,a,1\r\n\r\nb,B,,,,b,?\r\n", "a[a]", "BAD_PRICE@5"},
		"after a long row":                  {"a,A,\"x\n\n\ny\",,,a,1\nb,B,,,,b,?\n", "a[a]", "BAD_PRICE@6"},
		"line over the limit":               {"a,A," + big + ",,,a,1\nb,B,,,,b,1\nc,C\n", "b[b]", "TOO_LONG@2 WRONG_CELL_COUNT@4"},
		"line over the limit at the end":    {"b,B,,,,b,1\na,A," + big + ",,,a,1", "b[b]", "TOO_LONG@3"},
		"quoted line over the limit":        {"a,A,\"x\n" + big + "\",,,a,1\nb,B,,,,b,1\n", "b[b]", "TOO_LONG@2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price\n" + test.rows
			products, bad := readAll(t, strings.NewReader(file), sheet.Options{})
			if got := shapes(products); got != test.products {
				t.Errorf("products are %s, want %s", got, test.products)
			}
			var got []string
			for _, e := range bad {
				got = append(got, fmt.Sprintf("%s@%d", e.Reason, e.Line))
			}
			if all := strings.Join(got, " "); all != test.errors {
				t.Errorf("errors are %v, want %s", bad, test.errors)
			}
		})
	}
}

// TestQuoteNeverClosed loses one row, however many follow.
func TestQuoteNeverClosed(t *testing.T) {
	t.Parallel()
	const rows = 2_000 // more than a record can be long
	var file strings.Builder
	file.WriteString("Handle,Title,Body (HTML),Variant Price\nbad,\"Bad,,1\n")
	for i := range rows {
		fmt.Fprintf(&file, "p-%d,Product,%s,1.00\n", i, strings.Repeat("words ", 100))
	}
	products, bad := readAll(t, strings.NewReader(file.String()), sheet.Options{})
	if len(products) != rows || products[rows-1].Handle != fmt.Sprint("p-", rows-1) {
		t.Errorf("%d products, want %d", len(products), rows)
	}
	if len(bad) != 1 || bad[0].Line != 2 {
		t.Errorf("errors are %v", bad)
	}
}

// countingReader counts what was read from it.
type countingReader struct {
	in   io.Reader
	read int
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	c.read += n
	return n, err
}

// TestQuoteNeverClosedIsNoticed reports the row long before the end of a large file, which bounds the memory too.
func TestQuoteNeverClosedIsNoticed(t *testing.T) {
	t.Parallel()
	rows := strings.NewReader("Handle,Title,Variant Price\nbad,\"Bad,1\n" + strings.Repeat("p,Product,1.00\n", 1<<19))
	in := &countingReader{in: rows}
	r, err := shopify.NewReader(in, sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var bad *sheet.RowError
	if _, err := r.Next(); !errors.As(err, &bad) || bad.Line != 2 || bad.Reason != sheet.ReasonTooLong {
		t.Errorf("first error is %v", err)
	}
	if in.read > 2<<20 {
		t.Errorf("%d bytes were read before the row was reported", in.read)
	}
}

// TestEveryGoodRowLoads breaks some rows of a file and checks that exactly these are reported and the others load.
func TestEveryGoodRowLoads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var file strings.Builder
		file.WriteString(header)
		line := 2
		var wantLines, gotLines []int
		var wantHandles, gotHandles []string
		body := rapid.StringOfN(rapid.SampledFrom([]rune("ab ,\n<>\"")), 0, 12, -1)
		for i := range rapid.IntRange(0, 12).Draw(t, "rows") {
			handle := fmt.Sprint("p-", i)
			text := `"` + strings.ReplaceAll(body.Draw(t, "body"), `"`, `""`) + `"`
			kind := rapid.SampledFrom([]string{"good", "good", "open", "bare", "short", "long", "price"}).Draw(t, "kind")
			row := strings.Replace(good(handle, "Body (HTML)", "@"), "@", text, 1)
			switch kind {
			case "open":
				row = good(handle, "Vendor", `"never closed`)
			case "bare":
				row = good(handle, "Vendor", `5" wide`)
			case "short":
				row = handle + ",T\n"
			case "long":
				row = strings.TrimSuffix(good(handle), "\n") + ",\n"
			case "price":
				row = strings.Replace(row, "9.99", "free", 1)
			}
			if kind == "good" {
				wantHandles = append(wantHandles, handle)
			} else {
				wantLines = append(wantLines, line)
			}
			file.WriteString(row)
			line += strings.Count(row, "\n")
		}
		products, bad := readAll(t, strings.NewReader(file.String()), sheet.Options{})
		for _, p := range products {
			gotHandles = append(gotHandles, p.Handle)
		}
		for _, e := range bad {
			gotLines = append(gotLines, e.Line)
		}
		if !slices.Equal(gotHandles, wantHandles) || !slices.Equal(gotLines, wantLines) {
			t.Fatalf("products %v and errors %v, want %v and lines %v, of\n%s", gotHandles, bad, wantHandles, wantLines, file.String())
		}
	})
}

func FuzzReader(f *testing.F) {
	broken, err := os.ReadFile(filepath.Join("testdata", "broken.csv"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(broken)
	f.Add([]byte(header + good("a") + good("b", "Body (HTML)", "x\ny")))
	f.Add([]byte("Handle,Title,Variant Price,Included / Canada,Price / Canada,Price / International\na,A,1,TRUE,2,3\nb,B,1,FALSE,,\n"))
	f.Add([]byte("\uFEFFHandle,Title,Variant Price\r\na,\"A\n,\"\"\",1\n\"a,,\na,,-1"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := shopify.NewReader(strings.NewReader(string(file)), sheet.Options{Rates: []sheet.Rate{{To: "JPY", Numerator: 3, Denominator: 2}}})
		if err != nil {
			return
		}
		lines := strings.Count(string(file), "\n") + 1
		marketed := strings.Contains(string(file), " / ") // where no price is in the file's currency, and so none in others
		handles, skus := map[string]bool{}, map[string]bool{}
		for calls := 0; ; calls++ {
			if calls > 2*lines { // every line makes at most one product and one error
				t.Fatalf("%d lines do not end", lines)
			}
			p, err := r.Next()
			var bad *sheet.RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &bad):
				if bad.Line < 2 || bad.Line > lines || bad.Reason == "" || bad.Message == "" {
					t.Fatalf("%+v in a file of %d lines", bad, lines)
				}
				continue
			case err != nil:
				t.Fatal(err)
			}
			if handles[p.Handle] || p.Title == "" || len(p.Variants) == 0 {
				t.Fatalf("product %+v", p)
			}
			handles[p.Handle] = true
			for _, v := range p.Variants {
				_, dollars := v.Price("USD")
				_, yen := v.Price(money.Currency("JPY"))
				if v.SKU == "" || skus[v.SKU] || v.Stock < -1 || v.Grams < 0 || len(v.Prices)+len(v.Unpriced) == 0 || !marketed && (!dollars || !yen || v.Prices[0].Minor < 0) {
					t.Fatalf("variant %+v", v)
				}
				skus[v.SKU] = true
			}
		}
	})
}

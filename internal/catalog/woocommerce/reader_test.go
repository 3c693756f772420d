package woocommerce_test

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

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/woocommerce"
	"github.com/meridian-commerce/meridian/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// november is when the files of these tests are imported.
var november = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// readAll reads a file to its end.
func readAll(t *testing.T, file string, o sheet.Options) (products []catalog.Product, bad []*sheet.RowError, said []string) {
	t.Helper()
	o.Note = func(s string) { said = append(said, s) }
	o.Now = november
	r, err := woocommerce.NewReader(strings.NewReader(file), o)
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

// TestStore shows what becomes of each kind of row, what is refused, and what is assumed.
func TestStore(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(filepath.Join("testdata", "store.csv"))
	if err != nil {
		t.Fatal(err)
	}
	products, bad, said := readAll(t, string(file), sheet.Options{Currency: "EUR"})
	var b strings.Builder
	for _, e := range bad {
		fmt.Fprintln(&b, e)
	}
	for _, s := range said {
		fmt.Fprintln(&b, s)
	}
	for _, p := range products {
		fmt.Fprintf(&b, "%s %q by %q in %q, active %t, unlisted %t, partial %t\n\t%q\n\ttags %q\n\timages %q\n",
			p.Handle, p.Title, p.Vendor, p.Category, p.Active, p.Unlisted, p.Partial, p.Description, p.Tags, p.Images)
		for _, v := range p.Variants {
			fmt.Fprintf(&b, "\t%s %q %s %v before %v, %d units, %d g\n", v.SKU, v.Title, v.Barcode, v.Prices, v.CompareAt, v.Stock, v.Grams)
		}
	}
	golden := filepath.Join("testdata", "store.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const header = "ID,Type,SKU,Name,Published,Stock,Regular price,Sale price,Parent,Attribute 1 name,Attribute 1 value(s)\n"

// TestRefusals has one bad row each, between two that load.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		"2,,M,Mug,1,3,8,,,,\n":                  "Type MISSING_VALUE",
		",simple,,Mug,1,3,8,,,,\n":              "SKU MISSING_VALUE",
		"2,variation,M,Mug,1,3,8,,,Size,S\n":    "Parent NO_PARENT",
		"2,variation,M,Mug,1,3,8,,A,Size,S\n":   "Parent NO_PARENT", // A is a simple product
		"2,simple,M,,1,3,8,,,,\n":               "Name MISSING_VALUE",
		"2,simple,M,a\u202eb,1,3,8,,,,\n":       "Name BAD_TEXT",
		"2,simple,M,Mug,yes,3,8,,,,\n":          "Published BAD_FLAG",
		"2,simple,M,Mug,1,some,8,,,,\n":         "Stock BAD_QUANTITY",
		"2,simple,M,Mug,1,2.5,8,,,,\n":          "Stock BAD_QUANTITY",
		"2,simple,M,Mug,1,3,,,,,\n":             "Regular price MISSING_VALUE",
		"2,simple,M,Mug,1,3,\"1.299,00\",,,,\n": "Regular price BAD_PRICE",
		"2,simple,M,Mug,1,3,\"1,500\",,,,\n":    "Regular price BAD_PRICE", // fifteen hundred, or one and a half?
		"2,simple,M,Mug,1,1.000,8,,,,\n":        "Stock BAD_QUANTITY",
		"2,simple,M,Mug,1,3,8,free,,,\n":        "Sale price BAD_PRICE",
		"2,simple,A,Mug,1,3,8,,,,\n":            "SKU DUPLICATE_SKU",
		"1,simple,M,Mug,1,3,8,,,,\n":            "ID DUPLICATE_HANDLE",
		"2,subscription,M,Mug,1,3,8,,,,\n":      "Type UNSUPPORTED_TYPE",
		"2,variable,M,Mug,1,3,,,,Size,S\n":      "Type NO_VARIANT",
		"2,simple,M,Mug,1,3,8\n":                " WRONG_CELL_COUNT",
	} {
		products, bad, _ := readAll(t, header+"1,simple,A,A,1,3,8,,,,\n"+row+"9,simple,Z,Z,1,3,8,,,,\n", sheet.Options{})
		if len(products) != 2 || len(bad) != 1 || bad[0].Line != 3 || bad[0].Column+" "+bad[0].Reason != want || bad[0].Message == "" {
			t.Errorf("%q: %d products and %v, want %s", row, len(products), bad, want)
		}
	}
}

// TestVariations has them before their product, after another one, and named by SKU and by ID.
func TestVariations(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, header+
		"3,variation,S-S,,1,1,5,,SOCK,Size,S\n"+
		"2,variable,SOCK,Sock,1,,,,,Size,\"S, M\"\n"+
		"4,simple,CAP,Cap,1,1,5,,,,\n"+
		"5,variation,S-M,,1,1,free,,id:2,Size,M\n"+
		"6,variation,S-L,,1,1,5,,id:2,Size,L\n"+
		"7,variation,S-L2,,1,1,5,,id:2,Size,L\n"+
		"8,simple,LAST,Last,1,1,5,,,,\n", sheet.Options{})
	var got []string
	for _, p := range products {
		got = append(got, fmt.Sprint(p.Handle, " ", len(p.Variants), " ", p.Partial))
	}
	if diff := cmp.Diff([]string{"product-4 1 false", "product-2 2 true", "product-8 1 false"}, got); diff != "" {
		t.Error(diff)
	}
	if len(bad) != 2 || bad[0].Line != 5 || bad[1].Line != 7 || bad[1].Reason != sheet.ReasonDuplicateOptions {
		t.Errorf("errors are %v", bad)
	}
}

// TestOnceVariable is a product of which the file has variations that are left out: it may have them still.
func TestOnceVariable(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, header+"1,simple,A,A,1,3,8,,,,\n2,variation,A-S,,1,1,5,,id:1,Size,S\n3,simple,B,B,1,3,8,,,,\n", sheet.Options{})
	if len(products) != 2 || !products[0].Partial || products[1].Partial || len(bad) != 1 {
		t.Errorf("%+v, %v", products, bad)
	}
}

// TestATornRowMakesAllPartial: nobody knows whose row it was, so no product loses variants by it.
func TestATornRowMakesAllPartial(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, header+"1,simple,A,A,1,3,8,,,,\n2,variation,\"torn,\n3,simple,B,B,1,3,8,,,,\n", sheet.Options{})
	if len(products) != 2 || !products[0].Partial || !products[1].Partial || len(bad) != 1 || bad[0].Reason != sheet.ReasonMalformed {
		t.Errorf("%+v, %v", products, bad)
	}
}

// TestHandlesStay renames a product, which keeps its handle; slugs are handles where a file has them.
func TestHandlesStay(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		"ID,Type,Name,Regular price\n7,simple,Old name,1\n":            "product-7",
		"ID,Type,Name,Regular price\n7,simple,New name,1\n":            "product-7",
		"Type,SKU,Name,Regular price\nsimple,Ab 1/2,X,1\n":             "ab-1-2",
		"ID,Type,Name,Slug,Regular price\n7,simple,X,blue-mug,1\n":     "blue-mug",
		"ID,Type,Name,Slug,Regular price\n7,simple,X,%e8%8c%b6,1\n":    "茶",
		"ID,Type,Name,Slug,Regular price\n7,simple,A draft of X,,1\n":  "product-7",
		"ID;Type;Name;Regular price\n7;simple;Semicolons;\"1,50\"\n":   "product-7",
		"ID\tType\tName\tRegular price\n7\tsimple\t5\" Trivet\t1\n":    "product-7",
		"ID\tType\tName\tRegular price\n7\tsimple\t\"5\"\"\nlong\"\t1": "product-7",
	} {
		products, bad, _ := readAll(t, row, sheet.Options{})
		if len(bad) > 0 || len(products) != 1 || products[0].Handle != want {
			t.Errorf("%q: %v, %v, want %s", row, products, bad, want)
		}
	}
}

// TestStock divides a product's stock, never making units.
func TestStock(t *testing.T) {
	t.Parallel()
	const columns = "ID,Type,Name,Regular price,In stock?,Stock,Backorders allowed?,Parent,Attribute 1 name,Attribute 1 value(s)\n"
	for rows, want := range map[string]string{
		"1,simple,A,1,1,5.0000,0,,,\n":  "[5]",
		"1,simple,A,1,0,5,0,,,\n":       "[0]",
		"1,simple,A,1,1,-5,0,,,\n":      "[0]",
		"1,simple,A,1,1,,0,,,\n":        "[1000000000]",
		"1,simple,A,1,0,,0,,,\n":        "[0]",
		"1,simple,A,1,1,5,1,,,\n":       "[1000000000]",
		"1,simple,A,1,backorder,,,,,\n": "[1000000000]",
		"1,variable,A,,1,7,0,,S,\"1, 2, 3\"\n2,variation,,1,1,parent,0,id:1,S,1\n3,variation,,1,1,parent,0,id:1,S,2\n4,variation,,1,1,4,0,id:1,S,3\n": "[4 3 4]",
		"1,variable,A,,1,7,1,,S,\"1, 2\"\n2,variation,,1,1,parent,0,id:1,S,1\n":                                                                       "[1000000000]",
	} {
		products, bad, _ := readAll(t, columns+rows, sheet.Options{})
		var units []int
		for _, p := range products {
			for _, v := range p.Variants {
				units = append(units, v.Stock)
			}
		}
		if len(bad) > 0 || fmt.Sprint(units) != want {
			t.Errorf("%q: %v units, %v, want %s", rows, units, bad, want)
		}
	}
	products, _, said := readAll(t, "ID,Type,Name,Regular price\n1,simple,A,1\n", sheet.Options{})
	if len(products) != 1 || products[0].Variants[0].Stock != -1 || len(said) != 2 || !strings.Contains(said[1], "without the column Stock") {
		t.Errorf("a file without stock: %v, %q", products, said)
	}
}

// TestPublishedVariations has those of a product that is sold, and of a draft, whose variations are drafts for that alone.
func TestPublishedVariations(t *testing.T) {
	t.Parallel()
	for published, want := range map[string]string{
		"1 1 0 -1":  "[a] active true",
		"-1 -1 0 1": "[a c] active false",
		"1 1 x ":    "[a c] active true, partial",
	} {
		p := strings.Split(published, " ")
		products, _, _ := readAll(t, header+"1,variable,A,A,"+p[0]+",,,,,,\n2,variation,a,,"+p[1]+",1,5,,id:1,Size,a\n"+
			"3,variation,b,,"+p[2]+",1,5,,id:1,Size,b\n4,variation,c,,"+p[3]+",1,5,,id:1,Size,c\n", sheet.Options{})
		var got string
		for _, product := range products {
			var skus []string
			for _, v := range product.Variants {
				skus = append(skus, v.SKU)
			}
			got = fmt.Sprint(skus, " active ", product.Active)
			if product.Partial {
				got += ", partial"
			}
		}
		if got != want {
			t.Errorf("published %s: %s, want %s", published, got, want)
		}
	}
}

// TestTextsAreTheirOwnExport: what surrounds a text is no part of it, however the store wrote it, since no file can say so.
func TestTextsAreTheirOwnExport(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, "ID,Type,Name,Short description,Description,Regular price\n"+
		`7,simple,&nbsp;Mug&#32;,\n,"<p>Holds tea.</p>\n",1`+"\n"+
		"8,simple,Long,"+strings.Repeat("x", sheet.MaxDescription)+",y,1\n", sheet.Options{})
	if len(products) != 1 || products[0].Title != "Mug" || products[0].Description != "<p>Holds tea.</p>" {
		t.Errorf("products are %+v", products)
	}
	if len(bad) != 1 || bad[0].Line != 3 || bad[0].Reason != sheet.ReasonTooLong {
		t.Errorf("errors are %v", bad)
	}
}

// TestAttributeNames are the same in capitals; a header that has a column twice does not say which one counts.
func TestAttributeNames(t *testing.T) {
	t.Parallel()
	products, bad, _ := readAll(t, header+"1,variable,A,A,1,,,,,Size,\"S, M\"\n2,variation,s,,1,1,5,,id:1,size,S\n3,variation,m,,1,1,5,,id:1,SIZE,M\n", sheet.Options{})
	if len(bad) > 0 || len(products) != 1 || len(products[0].Options) != 1 || products[0].Variants[1].Title != "M" || len(products[0].Tags) > 0 {
		t.Errorf("%+v, %v", products, bad)
	}
	_, err := woocommerce.NewReader(strings.NewReader(strings.TrimSpace(header)+",attribute 1 NAME\n"), sheet.Options{})
	if fault.Reason(err) != "NOT_A_PRODUCT_FILE" || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error is %v", err)
	}
}

// TestPipe cannot be read twice, and is not read wrongly.
func TestPipe(t *testing.T) {
	t.Parallel()
	if _, err := woocommerce.NewReader(pipe{strings.NewReader(header)}, sheet.Options{}); fault.Reason(err) != "FILE_READ_ONCE" {
		t.Errorf("error is %v", err)
	}
}

type pipe struct{ io.Reader }

func (pipe) Seek(int64, int) (int64, error) { return 0, os.ErrInvalid }

func FuzzReader(f *testing.F) {
	file, err := os.ReadFile(filepath.Join("testdata", "store.csv"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(header + "1,variable,A,A,1,3,8,,,a,b\n2,variation,,,,,1,,A,a,\"b\\,c\"\n"))
	f.Add([]byte("ID\tType\tName\tRegular price\n7\tsimple\t\"5\"\" Trivet\t1\n8\tsimple\t\"x\ty\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := woocommerce.NewReader(strings.NewReader(string(file)), sheet.Options{Now: november})
		if err != nil {
			return
		}
		lines := strings.Count(string(file), "\n") + strings.Count(string(file), "\r") + 1
		handles, skus := map[string]bool{}, map[string]bool{}
		for calls := 0; ; calls++ {
			if calls > 4*lines {
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

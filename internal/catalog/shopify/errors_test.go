package shopify_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

const header = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value," +
	"Option2 Name,Option2 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Variant Barcode,Image Src,Status\n"

// cells makes a row of that header from alternating names and values.
func cells(pairs ...string) string {
	names := strings.Split(strings.TrimSpace(header), ",")
	values := make([]string, len(names))
	for i := 0; i < len(pairs); i += 2 {
		value := pairs[i+1]
		if strings.ContainsAny(value, ",\n") {
			value = `"` + value + `"`
		}
		values[slices.Index(names, pairs[i])] = value
	}
	return strings.Join(values, ",") + "\n"
}

// good makes a row that loads as product and variant, changed by more pairs.
func good(handle string, pairs ...string) string {
	return cells(append([]string{"Handle", handle, "Title", "T", "Variant SKU", handle, "Variant Price", "9.99"}, pairs...)...)
}

// shapes renders products as handle[SKU …].
func shapes(products []catalog.Product) string {
	var all []string
	for _, p := range products {
		var skus []string
		for _, v := range p.Variants {
			skus = append(skus, v.SKU)
		}
		all = append(all, fmt.Sprint(p.Handle, skus))
	}
	return strings.Join(all, " ")
}

// badCell changes one good row; the error must name the column.
type badCell struct {
	pairs  []string
	column string
	reason string
}

func TestBadProductCells(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	testBadCells(t, map[string]badCell{
		"no handle":          {[]string{"Handle", ""}, "Handle", sheet.ReasonMissing},
		"handle with space":  {[]string{"Handle", "red mug"}, "Handle", sheet.ReasonHandle},
		"handle with slash":  {[]string{"Handle", "red/mug"}, "Handle", sheet.ReasonHandle},
		"handle in capitals": {[]string{"Handle", "Red-Mug"}, "Handle", sheet.ReasonHandle},
		"accent in capitals": {[]string{"Handle", "É"}, "Handle", sheet.ReasonHandle},
		"bidi override":      {[]string{"Handle", "a\u202eb"}, "Handle", sheet.ReasonHandle},
		"ideographic space":  {[]string{"Handle", "茶\u3000碗"}, "Handle", sheet.ReasonHandle},
		"handle not UTF-8":   {[]string{"Handle", "caf\xe9"}, "Handle", sheet.ReasonHandle},
		"handle of hyphens":  {[]string{"Handle", "--"}, "Handle", sheet.ReasonHandle},
		"long handle":        {[]string{"Handle", long}, "Handle", sheet.ReasonTooLong},
		"no title":           {[]string{"Title", " "}, "Title", sheet.ReasonMissing},
		"long title":         {[]string{"Title", long}, "Title", sheet.ReasonTooLong},
		"title not UTF-8":    {[]string{"Title", "caf\xe9"}, "Title", sheet.ReasonText},
		"title turned":       {[]string{"Title", "a\u202eb"}, "Title", sheet.ReasonText},
		"title isolated":     {[]string{"Title", "a\u2067b"}, "Title", sheet.ReasonText},
		"title with NUL":     {[]string{"Title", "a\x00b"}, "Title", sheet.ReasonText},
		"long description":   {[]string{"Body (HTML)", strings.Repeat("x", 256<<10+1)}, "Body (HTML)", sheet.ReasonTooLong},
		"description NUL":    {[]string{"Body (HTML)", "a\x00b"}, "Body (HTML)", sheet.ReasonText},
		"long vendor":        {[]string{"Vendor", long}, "Vendor", sheet.ReasonTooLong},
		"long category":      {[]string{"Product Category", long + long + "x"}, "Product Category", sheet.ReasonTooLong},
		"deep category":      {[]string{"Product Category", strings.Repeat("a>", 129)}, "Product Category", sheet.ReasonTooLong},
		"long type":          {[]string{"Type", long}, "Type", sheet.ReasonTooLong},
		"long tag":           {[]string{"Tags", "a," + long}, "Tags", sheet.ReasonTooLong},
		"many tags":          {[]string{"Tags", numbered(251)}, "Tags", sheet.ReasonTooMany},
		"published":          {[]string{"Published", "maybe"}, "Published", sheet.ReasonFlag},
		"status":             {[]string{"Status", "deleted"}, "Status", sheet.ReasonFlag},
	})
}

func TestBadVariantCells(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	testBadCells(t, map[string]badCell{
		"option value":       {[]string{"Option1 Name", "Size"}, "Option1 Value", sheet.ReasonMissing},
		"long option value":  {[]string{"Option1 Value", long}, "Option1 Value", sheet.ReasonTooLong},
		"SKU with control":   {[]string{"Variant SKU", "a\x07"}, "Variant SKU", sheet.ReasonText},
		"long SKU":           {[]string{"Variant SKU", long}, "Variant SKU", sheet.ReasonTooLong},
		"same SKU":           {[]string{"Variant SKU", "before"}, "Variant SKU", sheet.ReasonDuplicateSKU},
		"long barcode":       {[]string{"Variant Barcode", long}, "Variant Barcode", sheet.ReasonTooLong},
		"no price":           {[]string{"Variant Price", ""}, "Variant Price", sheet.ReasonMissing},
		"image, no price":    {[]string{"Variant Price", "", "Image Src", "a.jpg"}, "Variant Price", sheet.ReasonMissing},
		"words for price":    {[]string{"Variant Price", "call us"}, "Variant Price", sheet.ReasonPrice},
		"price with comma":   {[]string{"Variant Price", "1,299.00"}, "Variant Price", sheet.ReasonPrice},
		"price with symbol":  {[]string{"Variant Price", "$9"}, "Variant Price", sheet.ReasonPrice},
		"price in 1e3":       {[]string{"Variant Price", "1e3"}, "Variant Price", sheet.ReasonPrice},
		"price not a number": {[]string{"Variant Price", "NaN"}, "Variant Price", sheet.ReasonPrice},
		"half a cent":        {[]string{"Variant Price", "1.005"}, "Variant Price", sheet.ReasonPrice},
		"thousands":          {[]string{"Variant Price", "1.500"}, "Variant Price", sheet.ReasonPrice},
		"even thousands":     {[]string{"Variant Price", "10.000"}, "Variant Price", sheet.ReasonPrice},
		"negative price":     {[]string{"Variant Price", "-1.00"}, "Variant Price", sheet.ReasonPrice},
		"negative zero":      {[]string{"Variant Price", "-0"}, "Variant Price", sheet.ReasonPrice},
		"absurd price":       {[]string{"Variant Price", "100000000.01"}, "Variant Price", sheet.ReasonPrice},
		"astronomic price":   {[]string{"Variant Price", strings.Repeat("9", 40)}, "Variant Price", sheet.ReasonPrice},
		"half a unit":        {[]string{"Variant Inventory Qty", "1.5"}, "Variant Inventory Qty", sheet.ReasonQuantity},
		"words for quantity": {[]string{"Variant Inventory Qty", "ten"}, "Variant Inventory Qty", sheet.ReasonQuantity},
		"absurdly negative":  {[]string{"Variant Inventory Qty", "-1000000001"}, "Variant Inventory Qty", sheet.ReasonQuantity},
		"absurd quantity":    {[]string{"Variant Inventory Qty", "1000000001"}, "Variant Inventory Qty", sheet.ReasonQuantity},
		"words for weight":   {[]string{"Variant Grams", "heavy"}, "Variant Grams", sheet.ReasonWeight},
		"hexadecimal weight": {[]string{"Variant Grams", "0x10"}, "Variant Grams", sheet.ReasonWeight},
		"infinite weight":    {[]string{"Variant Grams", "Inf"}, "Variant Grams", sheet.ReasonWeight},
		"negative weight":    {[]string{"Variant Grams", "-5"}, "Variant Grams", sheet.ReasonWeight},
		"absurd weight":      {[]string{"Variant Grams", "100000001"}, "Variant Grams", sheet.ReasonWeight},
	})
}

func testBadCells(t *testing.T, tests map[string]badCell) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := header + good("before") + good("bad", test.pairs...) + good("after")
			products, bad := readAll(t, strings.NewReader(file), sheet.Options{})
			if got := shapes(products); got != "before[before] after[after]" {
				t.Errorf("products are %s", got)
			}
			if len(bad) != 1 {
				t.Fatalf("errors are %v, want one", bad)
			}
			want := sheet.RowError{Line: 3, Column: test.column, Reason: test.reason, Message: bad[0].Message}
			if diff := cmp.Diff(want, *bad[0]); diff != "" || want.Message == "" || len(want.Message) > 300 {
				t.Errorf("-want +got, message %q:\n%s", want.Message, diff)
			}
		})
	}
}

// numbered lists n different tags.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()
}

func TestBadImage(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"javascript:alert(1)", "ftp://example.com/a.jpg", "http://%zz", strings.Repeat("x", 2049), "a\x00.jpg"} {
		file := header + good("mug", "Image Src", src) + cells("Handle", "mug", "Image Src", "b.jpg")
		products, bad := readAll(t, strings.NewReader(file), sheet.Options{})
		if len(bad) != 1 || bad[0].Line != 2 || bad[0].Column != "Image Src" {
			t.Errorf("%.40q: errors are %v", src, bad)
		}
		if len(products) != 1 || len(products[0].Variants) != 1 || !slices.Equal(products[0].Images, []string{"b.jpg"}) {
			t.Errorf("%.40q: products are %+v, want the variant and the other image", src, products)
		}
	}
}

func TestLimitsOfAProduct(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(header + good("mug", "Option1 Name", "Glaze", "Option1 Value", "0", "Image Src", "0.jpg"))
	for i := 1; i <= 2048; i++ {
		file.WriteString(cells("Handle", "mug", "Variant SKU", fmt.Sprint("mug-", i), "Option1 Value", fmt.Sprint(i), "Variant Price", "1"))
	}
	for i := 1; i <= 250; i++ {
		file.WriteString(cells("Handle", "mug", "Image Src", fmt.Sprint(i, ".jpg")))
	}
	products, bad := readAll(t, strings.NewReader(file.String()), sheet.Options{})
	if len(products) != 1 || len(products[0].Variants) != 2048 || len(products[0].Images) != 250 {
		t.Errorf("%d products", len(products))
	}
	if len(bad) != 2 || bad[0].Line != 2050 || bad[1].Line != 2300 || bad[0].Reason != sheet.ReasonTooMany || bad[1].Reason != sheet.ReasonTooMany {
		t.Errorf("errors are %v", bad)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden shows what a merchant reads about a file with one of everything that goes wrong.
func TestGolden(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("testdata", "broken.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	products, bad := readAll(t, file, sheet.Options{})
	var b strings.Builder
	for _, e := range bad {
		fmt.Fprintln(&b, e)
	}
	for _, p := range products {
		fmt.Fprintf(&b, "%s\n", p.Handle)
		for _, v := range p.Variants {
			fmt.Fprintf(&b, "\t%s %q %v\n", v.SKU, v.Title, v.Prices)
		}
	}
	golden := filepath.Join("testdata", "broken.golden")
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

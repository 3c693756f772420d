package productfile_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/productfile"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// files are of one product each, whose title is Café, "fein" and whose SKU is X-1, by format. A cell that holds a comma is
// the one that is quoted.
func files() map[string]string {
	return map[string]string{
		"shopify":     "Handle,Title,Variant SKU,Variant Price\ncafe,\"Café, \"\"fein\"\"\",X-1,12\n",
		"woocommerce": "ID,Type,SKU,Name,Regular price\n1,simple,X-1,\"Café, \"\"fein\"\"\",12\n",
		"merchant":    "id,title,price\nX-1,\"Café, \"\"fein\"\"\",12 USD\n",
	}
}

func readAll(t *testing.T, in io.Reader, format string, o sheet.Options) (products []catalog.Product, bad []*sheet.RowError) {
	t.Helper()
	source, err := productfile.Open(in, format, o)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := source.Next()
		var row *sheet.RowError
		switch {
		case errors.Is(err, io.EOF):
			return products, bad
		case errors.As(err, &row):
			bad = append(bad, row)
		case err != nil:
			t.Fatal(err)
		default:
			products = append(products, p)
		}
	}
}

func encode(t *testing.T, e encoding.Encoding, text string) string {
	t.Helper()
	encoded, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestEveryFormatInEveryEncoding writes one file of each format as programs of other times and places would. What the
// file is of shows by its header, and may be named.
func TestEveryFormatInEveryEncoding(t *testing.T) {
	t.Parallel()
	for format, file := range files() {
		separated := func(by string) string {
			return strings.ReplaceAll(strings.ReplaceAll(file, ",", by), "Café"+by, "Café,")
		}
		for name, test := range map[string]struct{ file, encoding string }{
			"UTF-8":                    {file, ""},
			"UTF-8 with a mark":        {"\uFEFF" + file, ""},
			"UTF-16, least byte first": {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), file), ""},
			"UTF-16, most byte first":  {encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), file), ""},
			"UTF-16LE without a mark":  {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), file), ""},
			"UTF-16BE without a mark":  {encode(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), file), ""},
			"Windows-1252":             {encode(t, charmap.Windows1252, file), "windows-1252"},
			"semicolons":               {separated(";"), ""},
			"tabs":                     {separated("\t"), ""},
			"tabs in UTF-16":           {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), separated("\t")), ""},
			"CRLF":                     {strings.ReplaceAll(separated(";"), "\n", "\r\n"), ""},
			"CR":                       {strings.ReplaceAll(file, "\n", "\r"), ""},
			"CR in Macintosh":          {encode(t, charmap.Macintosh, strings.ReplaceAll(file, "\n", "\r")), "macintosh"},
			"an empty line first":      {"\r\n\r\n" + file, ""},
		} {
			for _, named := range []string{"", format} {
				products, bad := readAll(t, strings.NewReader(test.file), named, sheet.Options{Encoding: test.encoding})
				if len(bad) > 0 || len(products) != 1 || products[0].Title != `Café, "fein"` || products[0].Variants[0].SKU != "X-1" {
					t.Errorf("%s, %s, named %q: %+v, %v", format, name, named, products, bad)
				}
			}
		}
	}
}

// TestShiftJISOfEveryFormat is refused by row with the way out, and read once the encoding is named.
func TestShiftJISOfEveryFormat(t *testing.T) {
	t.Parallel()
	for format, file := range files() {
		file = encode(t, japanese.ShiftJIS, strings.ReplaceAll(file, "Café", "茶碗 ソ表"))
		products, bad := readAll(t, strings.NewReader(file), "", sheet.Options{Encoding: "shift_jis"})
		if len(bad) > 0 || len(products) != 1 || products[0].Title != `茶碗 ソ表, "fein"` {
			t.Errorf("%s: %v, %v", format, products, bad)
		}
		products, bad = readAll(t, strings.NewReader(file), "", sheet.Options{})
		if len(products) > 0 || len(bad) != 1 || bad[0].Line != 2 || bad[0].Reason != sheet.ReasonText || !strings.Contains(bad[0].Message, "such as windows-1252 or shift_jis") {
			t.Errorf("%s: %v, %v", format, products, bad)
		}
	}
}

// TestUnknownFiles are refused with what they lack.
func TestUnknownFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, format string
		says         []string
	}{
		"another table": {"name,amount\nx,1\n", "", []string{
			"Shopify product export (CSV): Handle, Title, Variant Price", "WooCommerce product export (CSV, of a store in English): Type, Regular price",
			"Google Merchant product feed (tab- or comma-separated, or RSS or Atom): id, title, price",
		}},
		"in German":         {"ID,Typ,Artikelnummer,Name,Regulärer Preis\n", "", []string{"of a store in English): Type, Regular price"}},
		"empty":             {"", "", []string{"it is empty"}},
		"only a mark":       {"\uFEFF\n\n", "", []string{"it is empty"}},
		"binary":            {strings.Repeat("\x89PNG", 1<<19), "", []string{"NOT_A_PRODUCT_FILE"}},
		"a spreadsheet":     {"PK\x03\x04\x14\x00", "", []string{"save it as CSV"}},
		"XML of other kind": {"<catalog/>", "", []string{"root is <catalog>"}},
		"named otherwise":   {files()["shopify"], "woocommerce", []string{"no WooCommerce product export", "lacks the columns Type, Name, Regular price"}},
		"twice a column":    {"id,title,price,Price\n", "", []string{"has the column price twice"}},
	} {
		_, err := productfile.Open(strings.NewReader(test.file), test.format, sheet.Options{})
		if fault.Reason(err) != "NOT_A_PRODUCT_FILE" || slices.ContainsFunc(test.says, func(s string) bool { return !strings.Contains(err.Error(), s) }) {
			t.Errorf("%s: error is %v, want %q in it", name, err, test.says)
		}
	}
	if _, err := productfile.Open(strings.NewReader(""), "magento", sheet.Options{}); fault.Reason(err) != "UNKNOWN_FILE_FORMAT" || !strings.Contains(err.Error(), "shopify, woocommerce, merchant") {
		t.Errorf("another format: %v", err)
	}
	if _, err := productfile.Open(strings.NewReader(files()["merchant"]), "", sheet.Options{Markets: map[string]money.Currency{"X": "EUR"}}); fault.Reason(err) != "MARKET_UNKNOWN" {
		t.Errorf("a market of a feed: %v", err)
	}
}

// TestNothingBelowTheHeader is an error in every format.
func TestNothingBelowTheHeader(t *testing.T) {
	t.Parallel()
	all := []string{"<rss><channel><title>x</title></channel></rss>"}
	for _, file := range files() {
		header, _, _ := strings.Cut(file, "\n")
		all = append(all, header+"\n\n")
	}
	for _, file := range all {
		source, err := productfile.Open(strings.NewReader(file), "", sheet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		// It never comes to the store, which is none.
		if _, err := catalog.Import(t.Context(), nil, nil, source, nil); fault.Reason(err) != "NOTHING_TO_IMPORT" {
			t.Errorf("%q: error is %v", file, err)
		}
	}
}

// pipe can be read once.
type pipe struct{ io.Reader }

func (pipe) Seek(int64, int) (int64, error) { return 0, os.ErrInvalid }

// TestPipes are read if once is enough, and refused otherwise.
func TestPipes(t *testing.T) {
	t.Parallel()
	for format, file := range files() {
		_, err := productfile.Open(pipe{strings.NewReader(file)}, "", sheet.Options{})
		if want := map[bool]string{true: "", false: "FILE_READ_ONCE"}[format == "shopify"]; fault.Reason(err) != want {
			t.Errorf("%s: error is %v, want %q", format, err, want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := productfile.Open(pipe{iotest.ErrReader(broken)}, "", sheet.Options{}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// TestLongFilesAreReadWhole looks at the beginning of a file, and reads all of it.
func TestLongFilesAreReadWhole(t *testing.T) {
	t.Parallel()
	const rows = 5000
	for format, file := range files() {
		header, row, _ := strings.Cut(file, "\n")
		var long strings.Builder
		long.WriteString(header + "\n")
		for i := range rows {
			n := string(rune('a'+i/26/26%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
			long.WriteString(strings.NewReplacer("cafe,", n+",", "1,simple", n+",simple", "X-1", n).Replace(row))
		}
		products, bad := readAll(t, strings.NewReader(long.String()), "", sheet.Options{})
		if len(products) != rows || len(bad) > 0 {
			t.Errorf("%s: %d products, %v", format, len(products), bad)
		}
	}
}

// TestReasons holds the reference's table of reasons to the code.
func TestReasons(t *testing.T) {
	t.Parallel()
	read := func(path, before, after string) (found []string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if _, rest, ok := strings.Cut(line, before); ok {
				if reason, _, _ := strings.Cut(rest, after); reason != "" {
					found = append(found, reason)
				}
			}
		}
		slices.Sort(found)
		return found
	}
	code := read("../sheet/errors.go", `= "`, `"`)
	listed := read("../../../docs/reference/product-files.md", "| `", "` | ")
	listed = slices.DeleteFunc(listed, func(s string) bool { return strings.ToUpper(s) != s || strings.Contains(s, " ") })
	if diff := cmp.Diff(code, listed); diff != "" || len(code) < 10 {
		t.Errorf("-code +reference:\n%s", diff)
	}
}

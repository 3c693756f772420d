package shopify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// sample reads a file of testdata.
func sample(t *testing.T, name string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

func encode(t *testing.T, e encoding.Encoding, text string) string {
	t.Helper()
	encoded, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestEncodingsAndSeparators writes one file as programs of other times and places would.
func TestEncodingsAndSeparators(t *testing.T) {
	t.Parallel()
	file := sample(t, "accents.csv")
	want, _ := readAll(t, strings.NewReader(file), sheet.Options{})
	if len(want) != 2 || want[0].Title != "Café presse" {
		t.Fatalf("the file is %v", want)
	}
	separated := func(by string) string {
		// The one cell that is quoted keeps its comma.
		return strings.ReplaceAll(strings.ReplaceAll(file, ",", by), "fein"+by, "fein,")
	}
	for name, test := range map[string]struct{ file, encoding string }{
		"UTF-8 with a mark":        {"\uFEFF" + file, ""},
		"UTF-16, least byte first": {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), file), ""},
		"UTF-16, most byte first":  {encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), file), ""},
		"UTF-16LE without a mark":  {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), file), ""},
		"UTF-16BE without a mark":  {encode(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), file), ""},
		"a mark before the name":   {"\uFEFF" + file, "shift_jis"},
		"Windows-1252":             {encode(t, charmap.Windows1252, file), "windows-1252"},
		"semicolons":               {separated(";"), ""},
		"tabs in UTF-16":           {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), separated("\t")), ""},
		"CRLF":                     {strings.ReplaceAll(separated(";"), "\n", "\r\n"), ""},
		"CR":                       {strings.ReplaceAll(file, "\n", "\r"), ""},
		"CR in Macintosh":          {encode(t, charmap.Macintosh, strings.ReplaceAll(file, "\n", "\r")), "macintosh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, bad := readAll(t, strings.NewReader(test.file), sheet.Options{Encoding: test.encoding})
			if diff := cmp.Diff(want, got); diff != "" || len(bad) > 0 {
				t.Errorf("%v, -want +got:\n%s", bad, diff)
			}
		})
	}
}

func TestShiftJIS(t *testing.T) {
	t.Parallel()
	const file = "Handle,Title,Variant Price\nchawan,茶碗 ソ表,1200\n" // ソ and 表 have a backslash for their second byte
	encoded := encode(t, japanese.ShiftJIS, file)
	products, bad := readAll(t, strings.NewReader(encoded), sheet.Options{Currency: "JPY", Encoding: "shift_jis"})
	if len(products) != 1 || products[0].Title != "茶碗 ソ表" || len(bad) > 0 {
		t.Errorf("products are %v, errors %v", products, bad)
	}
	for name, said := range map[string]string{"": "such as windows-1252 or shift_jis", "euc-kr": "not text in the file's encoding"} {
		products, bad = readAll(t, strings.NewReader(encoded), sheet.Options{Currency: "JPY", Encoding: name})
		if len(products) > 0 || len(bad) != 1 || bad[0].Line != 2 || bad[0].Reason != sheet.ReasonText || !strings.Contains(bad[0].Message, said) {
			t.Errorf("as %q: products are %v, errors %v", name, products, bad)
		}
	}
	if _, err := shopify.NewReader(strings.NewReader(encoded), sheet.Options{Encoding: "klingon"}); fault.Reason(err) != "UNKNOWN_ENCODING" {
		t.Errorf("error is %v", err)
	}
}

func TestNothingBelowTheHeader(t *testing.T) {
	t.Parallel()
	reader, err := shopify.NewReader(strings.NewReader("Handle,Title,Variant Price\n,,\n\n"), sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// It never comes to the store, which is none.
	if _, err := catalog.Import(t.Context(), nil, nil, reader, nil); fault.Reason(err) != "NOTHING_TO_IMPORT" {
		t.Errorf("error is %v", err)
	}
}

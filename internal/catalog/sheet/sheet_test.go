package sheet_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/money"
)

const (
	key sheet.Column = iota
	text
	amount
)

// table is a format of three columns.
func table() sheet.Format {
	return sheet.Format{
		Name: "table", Columns: []string{"Key|Id", "Text", "Amount"}, Needed: []sheet.Column{key, text},
		Key: key, IsKey: sheet.ValidHandle,
	}
}

func open(t *testing.T, file string) *sheet.Rows {
	t.Helper()
	in, err := sheet.NewText(strings.NewReader(file), "")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table().Rows(in)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// read renders rows as line:key=text, and what is refused as line:reason.
func read(t *testing.T, rows sheet.Source) string {
	t.Helper()
	var all []string
	for {
		r, err := rows.Next()
		var bad *sheet.RowError
		switch {
		case errors.Is(err, io.EOF):
			return strings.Join(all, " ")
		case errors.As(err, &bad):
			all = append(all, fmt.Sprint(bad.Line, ":", bad.Reason))
		case err != nil:
			t.Fatal(err)
		default:
			all = append(all, fmt.Sprint(r.Line, ":", r.Cell(key), "=", r.Cell(text)))
		}
	}
}

// TestQuotesBetweenTabs stand for themselves unless they begin a cell, and one that nobody closes loses one row.
func TestQuotesBetweenTabs(t *testing.T) {
	t.Parallel()
	for rows, want := range map[string]string{
		"a\t5\" wide\nb\tx\n":               `2:a=5" wide 3:b=x`,
		"a\tthe \"best\"\nb\tx\n":           `2:a=the "best" 3:b=x`,
		"a\t\"the \"\"best\"\"\"\nb\tx\n":   `2:a=the "best" 3:b=x`,
		"a\t\"one\ntwo\tthree\"\nb\tx\n":    "2:a=one\ntwo\tthree 4:b=x",
		"a\t\"5\" by 6\"\nb\tx\n":           `2:MALFORMED_ROW 3:b=x`,
		"a\t\"\"\nb\tx\n":                   `2:a= 3:b=x`,
		"a\t\"open\nb\tx\nc\ty\n":           `2:MALFORMED_ROW 3:b=x 4:c=y`,
		"a\t\"open\nb\t\"open too\nc\ty\n":  `2:MALFORMED_ROW 3:MALFORMED_ROW 4:c=y`,
		"a\t\"open\nb\t5\" x\nc\t\"y\"\n":   `2:MALFORMED_ROW 3:b=5" x 4:c=y`, // closed by the last row, as it seems
		"a\t\"x\"\r\nb\t\"y\"\"\"\r\nc\tz":  `2:a=x 3:b=y" 4:c=z`,
		"a\tx\ty\nb\tx\n":                   `2:WRONG_CELL_COUNT 3:b=x`,
		"a\tx\n\t\n\nb\t\"open\nto the end": `2:a=x 5:MALFORMED_ROW 6:WRONG_CELL_COUNT`,
	} {
		if got := read(t, open(t, "Key\tText\n"+rows)); got != want {
			t.Errorf("%q: %s, want %s", rows, got, want)
		}
	}
}

// TestQuotesThatNobodyCloses are looked for once, however many begin a row.
func TestQuotesThatNobodyCloses(t *testing.T) {
	t.Parallel()
	const rows = 200_000
	got := read(t, open(t, "Key\tText\n"+strings.Repeat("a\t\"b\n", rows)))
	if n := strings.Count(got, "MALFORMED_ROW"); n != rows {
		t.Errorf("%d rows are refused, want %d", n, rows)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	rows := open(t, " KEY ;Notes;text;More\na;x;b;\nc;;d;\n")
	if rows.Header.Has(amount) || rows.Header.Name(amount) != "Amount" || rows.Header.Name(key) != "KEY" {
		t.Errorf("%+v", rows.Header)
	}
	if got := read(t, rows); got != "2:a=b 3:c=d" {
		t.Error(got)
	}
	var said []string
	(&sheet.Notes{}).Tell(func(s string) { said = append(said, s) }, rows.Header)
	if len(said) != 1 || !strings.HasSuffix(said[0], ": Notes") {
		t.Errorf("it said %q: an empty column is nothing that is left aside", said)
	}
	if missing := table().Missing([]string{"id", "x"}); !cmp.Equal(missing, []string{"Text"}) {
		t.Errorf("missing are %q", missing)
	}
}

// TestLineBreaks are what ends the header, also where a cell has others.
func TestLineBreaks(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"Key,Text\ra,\"x\ny\"\rb,z\r":       "2:a=x\ny 4:b=z",
		"Key,Text\ra,\"x\ry\"\rb,z":         "2:a=x\ny 4:b=z",
		"Key,Text\r\na,\"x\ry\"\r\nb,z\r\n": "2:a=x y 3:b=z",
		"Key,Text\r\r\na,x\r\r\nb,z\r\r\n":  "2:a=x 3:b=z",
		"Key,Text\na,x\r\nb,z\r":            "2:a=x 3:b=z",
		"Key,Text\r":                        "",
	} {
		if got := read(t, open(t, file)); strings.ReplaceAll(got, "\r", " ") != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}

func TestManyColumnsAreLeftAside(t *testing.T) {
	t.Parallel()
	rows := open(t, "Key,Text"+strings.Repeat(",", 1)+strings.Join(strings.Split("abcdefghijklmnopqrst", ""), ",")+"\n"+"k,t"+strings.Repeat(",x", 20)+"\n")
	read(t, rows)
	var said []string
	(&sheet.Notes{}).Tell(func(s string) { said = append(said, s) }, rows.Header)
	if len(said) != 1 || !strings.HasPrefix(said[0], "20 columns") || !strings.HasSuffix(said[0], "k, l and 8 more") {
		t.Errorf("it said %q", said)
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"AB 12/x": "ab-12-x", "Café -- Crème": "café-crème", "_a_b_": "a_b", "茶 碗": "茶-碗", "***": "", "a\u202eb": "a-b", "5\" x": "5-x",
	} {
		got := sheet.Slug(text)
		if got != want || got != "" && !sheet.ValidHandle(got) {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// joined makes a product of the rows with one key; a key in capitals is another name of the one in small letters, known
// once a row says so.
type joined map[string]bool

func (j joined) Key(r sheet.Row) (string, error) {
	if r.Cell(key) == "" {
		return "", r.Fault(key, sheet.ReasonMissing, "no key")
	}
	if r.Cell(text) == "same" {
		j[strings.ToUpper(r.Cell(key))] = true
	}
	return j.Settle(r.Cell(key)), nil
}

func (j joined) Settle(key string) string {
	if j[key] {
		return strings.ToLower(key)
	}
	return key
}

func (j joined) Product(rows []sheet.Row) (p catalog.Product, ok bool, refused []error) {
	p.Handle = j.Settle(rows[0].Cell(key))
	for _, r := range rows {
		p.Title += r.Cell(text) + "/"
	}
	return p, p.Handle != "none", nil
}

// TestGather makes products of rows that stand apart, as soon as the last one has come.
func TestGather(t *testing.T) {
	t.Parallel()
	file := "Key,Text\nA,early\nb,1\nnone,x\na,same\nc,2\nb,3\nA,late\n"
	var ended int
	gather := func(file string) (got []string) {
		g, err := sheet.NewGather(func() (sheet.Source, error) { return open(t, file), nil }, joined{}, func() { ended++ })
		if err != nil {
			t.Fatal(err)
		}
		for {
			p, err := g.Next()
			switch {
			case errors.Is(err, io.EOF):
				return got
			case err != nil:
				got = append(got, err.Error())
			default:
				got = append(got, fmt.Sprint(p.Handle, "=", p.Title, p.Partial))
			}
		}
	}
	if diff := cmp.Diff([]string{"c=2/false", "b=1/3/false", "a=early/same/late/false"}, gather(file)); diff != "" {
		t.Error(diff)
	}
	torn := gather(file + ",keyless\n")
	if diff := cmp.Diff([]string{"c=2/true", "b=1/3/true", "a=early/same/late/true", "line 9, Key: no key (MISSING_VALUE)"}, torn); diff != "" || ended != 2 {
		t.Errorf("%d: %s", ended, diff)
	}
}

func TestGatherBounds(t *testing.T) {
	t.Parallel()
	file := "Key,Text\n" + strings.Repeat("a,x\n", sheet.MaxVariants+3)
	g, err := sheet.NewGather(func() (sheet.Source, error) { return open(t, file), nil }, joined{}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var bad *sheet.RowError
		if _, err := g.Next(); !errors.As(err, &bad) || bad.Reason != sheet.ReasonTooMany {
			t.Errorf("error is %v", err)
		}
	}
	if p, err := g.Next(); err != nil || len(p.Title) != 2*(sheet.MaxVariants+1) || !p.Partial {
		t.Errorf("a product of %d rows, partial %t, %v", len(p.Title)/2, p.Partial, err)
	}
}

// TestGatherOfAFileThatChanges does not take a half for a whole.
func TestGatherOfAFileThatChanges(t *testing.T) {
	t.Parallel()
	files := []string{"Key,Text\na,1\nb,2\na,3\n", "Key,Text\na,1\nb,2\n"}
	g, err := sheet.NewGather(func() (sheet.Source, error) {
		file := files[0]
		files = files[1:]
		return open(t, file), nil
	}, joined{}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := g.Next(); err != nil || p.Handle != "b" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := g.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestSales has a reduced price before, in and after its time, and one that is none.
func TestSales(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "USD"} }
	p, err := sheet.NewPricing(sheet.Options{Rates: []sheet.Rate{{To: "JPY", Numerator: 1, Denominator: 100}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	row := open(t, "Key,Text\na,b\n").Header.Row(2, []string{"a", "b"})
	reduced, cent, dear := usd(900), usd(1199), usd(1300)
	for name, test := range map[string]struct {
		sale        sheet.Sale
		want, notes string
	}{
		"none":           {sheet.Sale{Price: usd(1200)}, "[12.00 USD 12 JPY] []", ""},
		"always":         {sheet.Sale{Price: usd(1200), Reduced: &reduced}, "[9.00 USD 9 JPY] [12.00 USD 12 JPY]", ""},
		"now":            {sheet.Sale{Price: usd(1200), Reduced: &reduced, From: now, To: now.Add(1)}, "[9.00 USD 9 JPY] [12.00 USD 12 JPY]", "whose time ends"},
		"not yet":        {sheet.Sale{Price: usd(1200), Reduced: &reduced, From: now.Add(1)}, "[12.00 USD 12 JPY] []", "not come"},
		"no more":        {sheet.Sale{Price: usd(1200), Reduced: &reduced, To: now}, "[12.00 USD 12 JPY] []", "over"},
		"dearer":         {sheet.Sale{Price: usd(1200), Reduced: &dear}, "[12.00 USD 12 JPY] []", "not below"},
		"by no yen":      {sheet.Sale{Price: usd(1200), Reduced: &cent}, "[11.99 USD 12 JPY] [12.00 USD]", ""},
		"of no currency": {sheet.Sale{Price: money.Money{Minor: 5, Currency: "EUR"}}, "[0.05 EUR] []", ""},
	} {
		notes := &sheet.Notes{}
		prices, before, err := p.Prices(row, test.sale, now, notes)
		var said string
		notes.Tell(func(s string) { said += s })
		if got := fmt.Sprint(prices, before); err != nil || got != test.want || !strings.Contains(said, test.notes) || (said == "") != (test.notes == "") {
			t.Errorf("%s: %s and %q, %v, want %s and %q", name, got, said, err, test.want, test.notes)
		}
	}
}

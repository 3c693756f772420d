package catalogsql_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/productfile"
	"github.com/meridian-commerce/meridian/internal/catalog/seed"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// exportTo writes the catalog as `meridian catalog export` does.
func (s shop) exportTo(out io.Writer) catalog.Exported {
	s.t.Helper()
	currencies, err := s.Currencies(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	to, err := productfile.Create(out, "USD", currencies)
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := catalog.Export(s.t.Context(), s.Store, stocksql.New(s.db, regions.Default()), to, func(catalog.Exported) {})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// tables returns every row of every table of the database, in an order of their own.
func (s shop) tables() map[string]string {
	s.t.Helper()
	names, err := s.db.Query(s.t.Context(), `SELECT table_name FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := pgx.CollectRows(names, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range all {
		rows, err := s.db.Query(s.t.Context(), `/* every-region: a test */ SELECT t::text FROM `+pgx.Identifier{name}.Sanitize()+` t ORDER BY 1`)
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			s.t.Fatal(err)
		}
		if len(text) > 0 {
			out[name] = strings.Join(text, "\n")
		}
	}
	return out
}

// everyKind fills a shop with what real files hold, with the default catalog, with what only a second import makes, and with an
// order that is open.
func everyKind(t *testing.T) shop {
	t.Helper()
	s := open(t)
	var file bytes.Buffer
	if err := writeKinds(&file, 240); err != nil {
		t.Fatal(err)
	}
	if _, bad := s.load(&file); len(bad) != refusedOf(240) {
		t.Fatal(bad)
	}
	products, err := seed.Products()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range products[:30] { // in four currencies
		s.imports(p)
	}
	for _, name := range []string{"shopify/testdata/markets.csv", "woocommerce/testdata/store.csv", "merchant/testdata/feed.tsv", "merchant/testdata/feed.xml"} {
		s.importSample(filepath.Join("..", name))
	}
	s.imports(sock("1 S", "2 M", "3 L"))
	s.imports(sock("2 S", "3 L", "'1b M"))                   // with an apostrophe, exchanged, and counted anew
	s.imports(sock("2 S", "'1b M", "4 XL"))                  // and one withdrawn
	odd := sock("x-1 S / M", "x-2 1/2", "x-3 , \"q\"; =1+1") // what a file has to quote
	odd.Handle, odd.Description, odd.Tags = "odd", "a\r\nb\rc\n\"d\"", []string{"é", "x y"}
	odd.Variants[0].Barcode, odd.Variants[1].Stock = "'0123", 0
	odd.Variants[2].Prices = []money.Money{{Minor: 7, Currency: "JPY"}} // none in dollars
	s.imports(odd)
	unpriced := sock("none S", "some M")
	unpriced.Handle, unpriced.Variants[0].Prices = "unpriced", nil
	s.imports(unpriced)
	gone := sock("gone S")
	gone.Handle = "gone"
	s.imports(gone)
	if _, err := s.db.Exec(t.Context(), `UPDATE variants SET withdrawn = true WHERE handle = 'gone'`); err != nil {
		t.Fatal(err)
	}
	home := regions.Default().Names()[0]
	wanted := []stock.Quantity{{Variant: "1", Units: 1}}
	if err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		stocksql.QueueReserve(batch, home, wanted)
		return tx.Send(t.Context(), batch)
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// importSample loads a file of whatever format, some of whose rows are bad.
func (s shop) importSample(path string) {
	s.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	from, err := productfile.Open(file, "", sheet.Options{Currency: "EUR", Now: time.Now()})
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := catalog.Import(s.t.Context(), s.Store, stocksql.New(s.db, regions.Default()), from, func(catalog.Imported, error) {})
	if err != nil || done.Products == 0 {
		s.t.Fatalf("%s: %+v, %v", path, done, err)
	}
}

// TestExportIsAnImport imports what was exported: no table has another row, journals and versions included, and what is
// exported then is the same file.
func TestExportIsAnImport(t *testing.T) {
	t.Parallel()
	s := everyKind(t)
	var file bytes.Buffer
	done := s.exportTo(&file)
	if want := s.rows("products"); done.Products != want-1 || done.Left != 1 {
		t.Errorf("%+v of %d products, one of which has no variant", done, want)
	}
	if strings.Contains(file.String(), fmt.Sprint(sheet.MaxQuantity)) {
		t.Error("what sells without stock is written as what is counted")
	}
	before, first := s.tables(), sha256.Sum256(file.Bytes())
	imported, bad := s.load(&file)
	if len(bad) > 0 || imported.Products != done.Products || imported.Variants != done.Variants || imported.Changed != 0 {
		t.Errorf("%+v, %q", imported, bad)
	}
	after := s.tables()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if diff := cmp.Diff(strings.Split(before[name], "\n"), strings.Split(after[name], "\n")); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d tables have rows, %d had", len(after), len(before))
	}
	file.Reset()
	s.exportTo(&file)
	if second := sha256.Sum256(file.Bytes()); second != first {
		t.Error("the second export is another file")
	}
}

// TestExportFillsAnEmptyShop imports an export elsewhere: what is for sale there is the same.
func TestExportFillsAnEmptyShop(t *testing.T) {
	t.Parallel()
	s, other := everyKind(t), open(t)
	var file bytes.Buffer
	s.exportTo(&file)
	if _, bad := other.load(&file); len(bad) > 0 {
		t.Fatal(bad)
	}
	shelf := func(s shop) (all []string) {
		t.Helper()
		products, err := s.All(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range products {
			for i := range p.Variants {
				p.Variants[i].ID = ""
			}
			if p.Version, p.UpdatedAt = 0, (time.Time{}); len(p.Variants) > 0 {
				all = append(all, fmt.Sprintf("%+v", p))
			}
		}
		return all
	}
	if diff := cmp.Diff(shelf(s), shelf(other)); diff != "" {
		t.Error(diff)
	}
	units, _ := s.units()
	var withdrawn int64
	if err := s.db.QueryRow(t.Context(), `/* every-region: a test */ SELECT coalesce(sum(allotted), 0)::bigint FROM stock
		WHERE sku IN (SELECT sku FROM variants WHERE withdrawn)`).Scan(&withdrawn); err != nil {
		t.Fatal(err)
	}
	if there, _ := other.units(); there != units-withdrawn+1 { // one is reserved here
		t.Errorf("%d units there, %d here without %d of what is withdrawn", there, units, withdrawn)
	}
}

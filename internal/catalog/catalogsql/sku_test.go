package catalogsql_test

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// sock is a product whose variants are written "SKU size"; each has four units.
func sock(variants ...string) catalog.Product {
	p := catalog.Product{Handle: "sock", Title: "Sock", Active: true, Options: []string{"Size"}}
	for _, one := range variants {
		sku, size, _ := strings.Cut(one, " ")
		p.Variants = append(p.Variants, catalog.Variant{
			SKU: sku, Options: []string{size}, Stock: 4, Prices: []money.Money{{Minor: 500, Currency: "USD"}},
		})
	}
	return p
}

// list is a catalog.Source of products at hand.
type list []catalog.Product

func (l *list) Next() (catalog.Product, error) {
	if len(*l) == 0 {
		return catalog.Product{}, io.EOF
	}
	p := (*l)[0]
	*l = (*l)[1:]
	return p, nil
}

// imports loads a product as an import does.
func (s shop) imports(p catalog.Product) (done catalog.Imported) {
	s.t.Helper()
	done, err := catalog.Import(s.t.Context(), s.Store, stocksql.New(s.db, regions.Default()), &list{p}, func(_ catalog.Imported, bad error) {
		if bad != nil {
			s.t.Errorf("refused: %v", bad)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// shown returns a product's variants as "id=SKU size".
func (s shop) shown(handle string) string {
	s.t.Helper()
	var all []string
	for _, v := range s.find(handle).Variants {
		all = append(all, v.ID+"="+v.SKU+" "+v.Title)
	}
	return strings.Join(all, ", ")
}

// rows counts the rows of a table, over all regions.
func (s shop) rows(table string) (n int) {
	s.t.Helper()
	if err := s.db.QueryRow(s.t.Context(), `/* every-region: a test */ SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

var madeID = regexp.MustCompile(`var_global_[0-9a-z]{26}`)

// TestSKUsThatChange imports other SKUs of the same sizes: the variants, their prices and their units are what they were,
// caches are notified, and every SKU leads to the variant that has it or had it last.
func TestSKUsThatChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.imports(sock("1 S", "2 M", "3 L"))
	units, _ := s.units()
	version := int64(1)
	for _, step := range []struct {
		name     string
		variants []string
		shown    string // a made id is var
		leads    map[string]string
	}{
		{"one", []string{"1b S", "2 M", "3 L"}, "1=1b S, 2=2 M, 3=3 L", map[string]string{"1": "1", "1b": "1", "2": "2"}},
		{"the same one again", []string{"1c S", "2 M", "3 L"}, "1=1c S, 2=2 M, 3=3 L", map[string]string{"1": "1", "1b": "1", "1c": "1"}},
		{"back", []string{"1 S", "2 M", "3 L"}, "1=1 S, 2=2 M, 3=3 L", map[string]string{"1": "1", "1b": "1", "1c": "1"}},
		{"two are exchanged", []string{"2 S", "1 M", "3 L"}, "1=2 S, 2=1 M, 3=3 L", map[string]string{"1": "2", "2": "1", "1b": "1"}},
		{"and back", []string{"1 S", "2 M", "3 L"}, "1=1 S, 2=2 M, 3=3 L", map[string]string{"1": "1", "2": "2"}},
		{"one is gone, and its SKU another's", []string{"2 S", "3 L"}, "1=2 S, 3=3 L", map[string]string{"1": "1", "2": "1"}},
		{"it is back under another", []string{"2 S", "7 M", "3 L"}, "1=2 S, 2=7 M, 3=3 L", map[string]string{"7": "2", "2": "1", "1": "1"}},
		{"a new one shifts them", []string{"1 XS", "2 S", "7 M", "3 L"}, "var=1 XS, 1=2 S, 2=7 M, 3=3 L", map[string]string{"1": "var", "2": "1", "7": "2"}},
	} {
		before := s.rows("stock_changes")
		done := s.imports(sock(step.variants...))
		again := s.imports(sock(step.variants...))
		p := s.find("sock")
		mask := func(s string) string { return madeID.ReplaceAllString(s, "var") }
		if got := mask(s.shown("sock")); got != step.shown || done.Changed != 1 || again.Changed != 0 {
			t.Errorf("%s: %s, want %s; %+v, again %+v", step.name, got, step.shown, done, again)
		}
		if version++; p.Version != version {
			t.Errorf("%s: version %d, want %d", step.name, p.Version, version)
		}
		for sku, want := range step.leads {
			if got := mask(p.Variant(sku)); got != want {
				t.Errorf("%s: %s leads to %s, want %s", step.name, sku, got, want)
			}
			if handles, err := s.Handles(t.Context(), []string{sku}); err != nil || handles[sku] != "sock" {
				t.Errorf("%s: %s is of %v, %v", step.name, sku, handles, err)
			}
		}
		for _, v := range p.Variants {
			if _, priced := v.Price("USD"); !priced || !s.offered(v.ID) {
				t.Errorf("%s: %+v has no price, or is not offered", step.name, v)
			}
		}
		if strings.Contains(step.shown, "var=") {
			units += 4
			before += len(regions.Default().Names()) // where the journal of a new variant begins
		}
		if now, _ := s.units(); now != units || s.rows("stock_changes") != before {
			t.Errorf("%s: %d units, want %d, by %d more changes", step.name, now, units, s.rows("stock_changes")-before)
		}
	}
	for _, region := range regions.Default().Names() {
		if changes, err := s.Pending(t.Context(), region, 10); err != nil || len(changes) != 1 || changes[0].Version != version {
			t.Errorf("%s is to be notified of %+v, %v", region, changes, err)
		}
	}
}

// TestNamed finds variants by what they are, or were, called.
func TestNamed(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(sock("1 S", "2 M", "3 L"))
	s.put(sock("2 S", "1 M", "3b L"))
	s.put(sock("2 S", "1 M"))
	for name, want := range map[string]string{
		"1":  "[{1 2 sock S false} {2 1 sock M false}]",
		"2":  "[{1 2 sock S false} {2 1 sock M false}]",
		"3":  "[{3 3b sock L true}]",
		"3b": "[{3 3b sock L true}]",
		"4":  "[]",
	} {
		if got, err := s.Named(t.Context(), name); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, want)
		}
	}
}

// TestSKUStaysWithItsProduct has another product ask for a SKU that a variant had once.
func TestSKUStaysWithItsProduct(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(sock("1 S"))
	s.put(sock("2 S"))
	s.put(sock("3 S"))
	for _, sku := range []string{"1", "2", "3"} {
		hat := sock(sku + " S")
		hat.Handle = "hat"
		if _, err := s.Put(t.Context(), []catalog.Product{hat}); fault.Reason(err) != "SKU_TAKEN" {
			t.Errorf("SKU %s: %v", sku, err)
		}
	}
	// One that is new in the product itself may have it: then it leads there.
	s.put(sock("3 S", "2 M"))
	if got := s.shown("sock"); got != "1=3 S, 2=2 M" || s.find("sock").Variant("2") != "2" || s.find("sock").Variant("3") != "1" {
		t.Errorf("shown are %s", got)
	}
}

// TestPartialProductKeepsItsOrder has a variant whose row was refused stand after those that were read.
func TestPartialProductKeepsItsOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(sock("1 S", "2 M", "3 L"))
	partial := sock("3 L", "1 S")
	partial.Partial = true
	s.put(partial)
	if got := s.shown("sock"); got != "3=3 L, 1=1 S, 2=2 M" || s.put(partial) != 0 || s.put(sock("3 L", "1 S", "2 M")) != 0 {
		t.Errorf("shown are %s", got)
	}
}

// TestWhatTheReleaseBeforeWrote reads and changes rows without options and SKUs of their own.
func TestWhatTheReleaseBeforeWrote(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(sock("1 S", "2 M"))
	for _, sql := range []string{`UPDATE products SET options = NULL`, `UPDATE variants SET options = NULL`} {
		if _, err := s.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.shown("sock"); got != "1=1 S, 2=2 M" || s.find("sock").Variants[0].Options != nil {
		t.Errorf("shown are %s", got)
	}
	s.put(sock("1b S", "2 M"))
	if got := s.shown("sock"); got != "1=1b S, 2=2 M" {
		t.Errorf("shown are %s", got)
	}
	if diff := cmp.Diff([]string{"S"}, s.find("sock").Variants[0].Options); diff != "" {
		t.Error(diff)
	}
}

// An order is placed at what its transaction reads: by id, under the SKU of now.
func TestOfferOfAChangedSKU(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(sock("1 S"))
	s.put(sock("2 S"))
	offers := map[string]checkout.Offer{}
	err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		catalogsql.QueueOffers(batch, []string{"1", "2"}, "USD", offers)
		return tx.Send(t.Context(), batch)
	})
	want := map[string]checkout.Offer{"1": {SKU: "2", Title: "Sock · S", Price: money.Money{Minor: 500, Currency: "USD"}}}
	if diff := cmp.Diff(want, offers, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if offer, sold := s.find("sock").Offer("1", "USD"); !sold || !cmp.Equal(offer, want["1"], cmpopts.EquateEmpty()) {
		t.Errorf("the product says %+v", offer)
	}
	if _, sold := s.find("sock").Offer("2", "USD"); sold {
		t.Error("a SKU that is no id is sold")
	}
	if got := fmt.Sprint(s.find("sock").SKUs); got != "map[2:1]" {
		t.Errorf("SKUs are %s", got)
	}
}

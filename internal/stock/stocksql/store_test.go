package stocksql_test

import (
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "eu-west-1"

// room is a store on a database of its own.
type room struct {
	*stocksql.Store
	t  testing.TB
	db *sqldb.DB
}

func open(t testing.TB) room {
	t.Helper()
	db := sqltest.Open(t, nil)
	return room{stocksql.New(db, regions.Default()), t, db}
}

type row struct{ Allotted, OnHand, Reserved, Sold int64 }

// rows returns a region's allotments by SKU.
func (r room) rows(in regions.Name) map[string]row {
	r.t.Helper()
	found, err := r.db.Query(r.t.Context(), `SELECT sku, allotted, on_hand, reserved, sold FROM stock WHERE home_region = $1`, in)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]row{}
	var sku string
	var one row
	if _, err := pgx.ForEachRow(found, []any{&sku, &one.Allotted, &one.OnHand, &one.Reserved, &one.Sold}, func() error {
		out[sku] = one
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// do runs what queue adds to a batch in a transaction.
func (r room) do(queue func(batch *sqldb.Batch)) error {
	return r.db.InTx(r.t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		queue(batch)
		return tx.Send(r.t.Context(), batch)
	})
}

func (r room) reserve(wanted ...stock.Quantity) error {
	wanted = stock.Merge(wanted)
	return r.do(func(batch *sqldb.Batch) {
		stocksql.QueueLock(batch, home, wanted, func(variant string) string { return "SKU of " + variant })
		stocksql.QueueReserve(batch, home, wanted)
	})
}

func (r room) allot(units map[string]int64) {
	r.t.Helper()
	if err := r.Allot(r.t.Context(), units); err != nil {
		r.t.Fatal(err)
	}
}

func TestAllot(t *testing.T) {
	t.Parallel()
	r := open(t)
	units := map[string]int64{"A": 10, "B": 1, "C": 0}
	r.allot(units)
	names := regions.Default().Names()
	check := func(what string, want map[string]int64) {
		t.Helper()
		for _, in := range names {
			shares := map[string]row{}
			for sku, n := range want {
				share := stock.Split(sku, n, names)[in]
				shares[sku] = row{Allotted: share, OnHand: share}
			}
			if diff := cmp.Diff(shares, r.rows(in)); diff != "" {
				t.Errorf("%s, %s:\n%s", what, in, diff)
			}
		}
	}
	check("once", units)
	r.allot(units)
	check("twice", units)
	r.allot(map[string]int64{"A": -1, "D": 3}) // what is not known stays
	want := maps.Clone(units)
	want["D"] = 3
	check("with a new SKU", want)
	r.allot(nil)
	check("of nothing", want)
}

// sums returns what all regions have of a SKU, and what the journal comes to.
func (r room) sums(sku string) (all row, journal int64) {
	r.t.Helper()
	for _, in := range regions.Default().Names() {
		one := r.rows(in)[sku]
		all.Allotted, all.OnHand, all.Reserved, all.Sold = all.Allotted+one.Allotted, all.OnHand+one.OnHand, all.Reserved+one.Reserved, all.Sold+one.Sold
		var n int64
		if err := r.db.QueryRow(r.t.Context(), `SELECT coalesce(sum(units), 0)::bigint FROM stock_changes WHERE home_region = $1 AND sku = $2`, in, sku).Scan(&n); err != nil {
			r.t.Fatal(err)
		}
		journal += n
	}
	return all, journal
}

// TestAllotAgain imports other quantities while some units are sold: the sum is what the last import says, as far as units are
// on hand, and the journal has each change.
func TestAllotAgain(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 9})
	if err := r.reserve(stock.Quantity{Variant: "A", Units: 3}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		units int64
		want  row
	}{
		{9, row{9, 6, 3, 0}},
		{20, row{20, 17, 3, 0}},
		{-1, row{20, 17, 3, 0}},
		{5, row{5, 2, 3, 0}},
		{0, row{3, 0, 3, 0}}, // three are reserved
		{9, row{9, 6, 3, 0}},
	} {
		r.allot(map[string]int64{"A": step.units, "B": 1})
		if got, journal := r.sums("A"); got != step.want || journal != step.want.Allotted {
			t.Errorf("%d: %+v and %d in the journal, want %+v", step.units, got, journal, step)
		}
	}
	r.allot(map[string]int64{"A": 0}) // shared again from here
	if err := r.do(func(batch *sqldb.Batch) {
		stocksql.QueueRelease(batch, home, []stock.Quantity{{Variant: "A", Units: 3}})
	}); err != nil {
		t.Fatal(err)
	}
	r.allot(map[string]int64{"A": 6})
	// A region that has no allotments yet takes its share from the others.
	for _, sku := range []string{"A", "N"} {
		r.allot(map[string]int64{sku: 6})
		if _, err := r.db.Exec(t.Context(), `DELETE FROM stock WHERE home_region = $1 AND sku = $2`, home, sku); err != nil {
			t.Fatal(err)
		}
		before, _ := r.sums(sku)
		r.allot(map[string]int64{sku: before.Allotted})
		if got, _ := r.sums(sku); got != before || r.rows(home)[sku].OnHand != stock.Split(sku, before.Allotted, regions.Default().Names())[home] {
			t.Errorf("%+v became %+v, of which the new region has %+v", before, got, r.rows(home)[sku])
		}
	}
}

func TestReserveSellRelease(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 30, "B": 30})
	ab := []stock.Quantity{{Variant: "A", Units: 4}, {Variant: "B", Units: 1}}
	for _, step := range []struct {
		name  string
		queue func(*sqldb.Batch)
		want  map[string]row
	}{
		{"reserve", func(b *sqldb.Batch) { stocksql.QueueReserve(b, home, ab) }, map[string]row{"A": {10, 6, 4, 0}, "B": {10, 9, 1, 0}}},
		{"release", func(b *sqldb.Batch) { stocksql.QueueRelease(b, home, ab[:1]) }, map[string]row{"A": {10, 10, 0, 0}, "B": {10, 9, 1, 0}}},
		{"sell", func(b *sqldb.Batch) { stocksql.QueueSell(b, home, ab[1:]) }, map[string]row{"A": {10, 10, 0, 0}, "B": {10, 9, 0, 1}}},
		{"nothing", func(b *sqldb.Batch) { stocksql.QueueReserve(b, home, nil) }, map[string]row{"A": {10, 10, 0, 0}, "B": {10, 9, 0, 1}}},
	} {
		if err := r.do(step.queue); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, r.rows(home)); diff != "" {
			t.Errorf("%s:\n%s", step.name, diff)
		}
	}
	// The table itself refuses what no caller may do.
	for name, queue := range map[string]func(*sqldb.Batch){
		"sell what is not reserved":    func(b *sqldb.Batch) { stocksql.QueueSell(b, home, ab[:1]) },
		"release what is not reserved": func(b *sqldb.Batch) { stocksql.QueueRelease(b, home, ab[:1]) },
		"reserve without a lock":       func(b *sqldb.Batch) { stocksql.QueueReserve(b, home, []stock.Quantity{{Variant: "A", Units: 11}}) },
	} {
		if err := r.do(queue); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(map[string]row{"A": {10, 10, 0, 0}, "B": {10, 10, 0, 0}}, r.rows("us-east-1")); diff != "" {
		t.Errorf("another region's allotment changed too:\n%s", diff)
	}
}

func TestOutOfStock(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 30, "B": 0})
	for name, wanted := range map[string][]stock.Quantity{
		"more than there is": {{Variant: "A", Units: 11}},
		"in two lines":       {{Variant: "A", Units: 6}, {Variant: "A", Units: 5}},
		"one of several":     {{Variant: "A", Units: 1}, {Variant: "B", Units: 1}},
		"no allotment":       {{Variant: "gone", Units: 1}},
	} {
		if err := r.reserve(wanted...); fault.Reason(err) != "OUT_OF_STOCK" || !fault.Is(err, fault.FailedPrecondition) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(map[string]row{"A": {10, 10, 0, 0}, "B": {}}, r.rows(home)); diff != "" {
		t.Error(diff)
	}
	if err := r.reserve(stock.Quantity{Variant: "A", Units: 10}); err != nil {
		t.Errorf("all of it: %v", err)
	}
}

// Buyers of two SKUs in any order neither deadlock for good nor sell a unit twice.
func TestReserveConcurrently(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 15, "B": 15}) // five of each at home
	var sold atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			wanted := []stock.Quantity{{Variant: "A", Units: 1}, {Variant: "B", Units: 1}}
			if rand.IntN(2) == 0 {
				wanted[0], wanted[1] = wanted[1], wanted[0]
			}
			switch err := r.reserve(wanted...); {
			case err == nil:
				sold.Add(1)
			case fault.Reason(err) != "OUT_OF_STOCK" && !fault.Is(err, fault.Unavailable):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := sold.Load()
	if n == 0 || n > 5 {
		t.Errorf("%d buyers of 5 units were served", n)
	}
	if diff := cmp.Diff(map[string]row{"A": {5, 5 - n, n, 0}, "B": {5, 5 - n, n, 0}}, r.rows(home)); diff != "" {
		t.Error(diff)
	}
}

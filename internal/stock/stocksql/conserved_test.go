package stocksql_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// model is what a variant has in each region, kept by rules of its own.
type model map[regions.Name]*row

func (m model) total() (sum row) {
	for _, one := range m {
		sum.Allotted, sum.OnHand, sum.Reserved, sum.Sold = sum.Allotted+one.Allotted, sum.OnHand+one.OnHand, sum.Reserved+one.Reserved, sum.Sold+one.Sold
	}
	return sum
}

// TestUnitsAreConserved does at random what changes units and what orders do with them, each thing twice now and then under its key, and
// compares every region with a model after each.
func TestUnitsAreConserved(t *testing.T) {
	t.Parallel()
	r := open(t)
	names := regions.Default().Names()
	var variants atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		variant := fmt.Sprint("V", variants.Add(1))
		m := model{}
		for _, name := range names {
			m[name] = &row{}
		}
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			what := rapid.SampledFrom([]string{"receive", "adjust", "count", "transfer", "reserve", "release", "sell", "import"}).Draw(rt, "what")
			in, other := rapid.SampledFrom(names).Draw(rt, "in"), rapid.SampledFrom(names).Draw(rt, "other")
			units := rapid.Int64Range(0, 9).Draw(rt, "units")
			step := fmt.Sprint(what, " ", units, " in ", in, " ", other)
			switch what {
			case "reserve", "release", "sell":
				r.order(rt, m[in], what, in, variant, units)
			case "import":
				r.imports(rt, m, variant, units)
			default:
				r.byHand(rt, m, stock.Request{
					Kind: stock.Kind(what), Variant: variant, Region: in, To: other, Units: units, Key: fmt.Sprint(variant, "-", i), By: "rapid",
				})
			}
			for _, name := range names {
				if got := r.rows(name)[variant]; got != *m[name] {
					rt.Fatalf("after %s %s has %+v, want %+v", step, name, got, *m[name])
				}
			}
			if all, journal := r.sums(variant); journal != all.Allotted || all != m.total() {
				rt.Fatalf("after %s the journal comes to %d of %+v", step, journal, all)
			}
		}
	})
}

// order does what orders do with units, and never what they do not.
func (r room) order(rt *rapid.T, has *row, what string, in regions.Name, variant string, units int64) {
	from, to, queue := &has.OnHand, &has.Reserved, stocksql.QueueReserve
	switch what {
	case "release":
		from, to, queue = &has.Reserved, &has.OnHand, stocksql.QueueRelease
	case "sell":
		from, to, queue = &has.Reserved, &has.Sold, stocksql.QueueSell
	}
	if units = min(units, *from); units == 0 {
		return
	}
	if err := r.queued(queue, in, variant, units); err != nil {
		rt.Fatal(err)
	}
	*from -= units
	*to += units
}

// imports says how many units there are in all. Which of those on hand it takes or adds to is for others to test.
func (r room) imports(rt *rapid.T, m model, variant string, units int64) {
	before := m.total()
	if err := r.Allot(r.t.Context(), map[string]int64{variant: units}); err != nil {
		rt.Fatal(err)
	}
	for name, has := range m {
		got := r.rows(name)[variant]
		if got.Reserved != has.Reserved || got.Sold != has.Sold {
			rt.Fatalf("an import makes %+v of %+v", got, has)
		}
		*has = got
	}
	if after := m.total(); after.Allotted != max(units, before.Reserved+before.Sold) {
		rt.Fatalf("an import of %d makes %+v of %+v", units, after, before)
	}
}

// byHand changes units by hand.
func (r room) byHand(rt *rapid.T, m model, ask stock.Request) {
	has, want := m[ask.Region], ""
	by := ask.Units
	switch ask.Kind {
	case stock.Adjust:
		ask.Reason = rapid.SampledFrom(stock.Reasons()).Draw(rt, "reason")
		if ask.Reason == stock.Lost || ask.Reason == stock.Damaged {
			by = -by
		}
		ask.Units = by
	case stock.Count:
		by -= has.OnHand + has.Reserved
	case stock.Transfer:
		by = -by
	default: // so many more
	}
	if ask.Kind != stock.Transfer {
		ask.To = ""
	}
	switch {
	case ask.Kind == stock.Transfer && ask.To == ask.Region:
		want = "STOCK_SAME_REGION"
	case ask.Units == 0 && ask.Kind != stock.Count:
		want = "STOCK_UNITS_INVALID"
	case has.OnHand+by < 0:
		want = "STOCK_SHORT"
	}
	keeper := stock.Keeper{Store: r.Store, Regions: regions.Default()}
	for again := range rapid.IntRange(1, 2).Draw(rt, "times") {
		done, err := keeper.Change(r.t.Context(), ask)
		if fault.Reason(err) != want || done.Replayed != (again > 0 && want == "") {
			rt.Fatalf("%+v: %+v, %v, want %q", ask, done, err, want)
		}
	}
	if want != "" {
		return
	}
	has.OnHand, has.Allotted = has.OnHand+by, has.Allotted+by
	if ask.Kind == stock.Transfer {
		to := m[ask.To]
		to.OnHand, to.Allotted = to.OnHand-by, to.Allotted-by
	}
}

package stocksql_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

const away regions.Name = "us-east-1"

// change makes a change at home by a key; where of a transfer.
func (r room) change(kind stock.Kind, variant string, units int64, key string, where ...regions.Name) (stock.Done, error) {
	ask := stock.Request{Kind: kind, Variant: variant, Region: home, Units: units, Key: key, By: "Ada"}
	if kind == stock.Transfer {
		ask.Region, ask.To = where[0], where[1]
	}
	if kind == stock.Adjust {
		ask.Reason = stock.Correction
	}
	return stock.Keeper{Store: r.Store, Regions: regions.Default()}.Change(r.t.Context(), ask)
}

// checked fails the test where the units of a variant are not those of its journal, or an invariant of the rows does not hold. It returns what there is.
func (r room) checked(variant, after string) row {
	r.t.Helper()
	all, journal := r.sums(variant)
	if journal != all.Allotted {
		r.t.Fatalf("after %s the journal comes to %d of %+v", after, journal, all)
	}
	for _, in := range regions.Default().Names() {
		if one := r.rows(in)[variant]; one.OnHand < 0 || one.Reserved < 0 || one.OnHand+one.Reserved+one.Sold != one.Allotted {
			r.t.Fatalf("after %s %s has %+v", after, in, one)
		}
	}
	return all
}

func TestChange(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 30})
	if err := r.reserve(stock.Quantity{Variant: "A", Units: 4}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		kind   stock.Kind
		units  int64
		where  []regions.Name
		refuse string
		home   row
		away   int64 // on hand
	}{
		{stock.Receive, 5, nil, "", row{15, 11, 4, 0}, 10},
		{stock.Adjust, -2, nil, "", row{13, 9, 4, 0}, 10},
		{stock.Adjust, -10, nil, "STOCK_SHORT", row{13, 9, 4, 0}, 10},
		{stock.Count, 20, nil, "", row{20, 16, 4, 0}, 10},
		{stock.Count, 3, nil, "STOCK_SHORT", row{20, 16, 4, 0}, 10},
		{stock.Count, 4, nil, "", row{4, 0, 4, 0}, 10},
		{stock.Transfer, 1, []regions.Name{home, away}, "STOCK_SHORT", row{4, 0, 4, 0}, 10},
		{stock.Transfer, 7, []regions.Name{away, home}, "", row{11, 7, 4, 0}, 3},
		{stock.Transfer, 2, []regions.Name{home, away}, "", row{9, 5, 4, 0}, 5},
		{stock.Receive, stock.Endless, nil, "STOCK_UNITS_INVALID", row{9, 5, 4, 0}, 5},
	} {
		name := fmt.Sprint(step.kind, step.units)
		done, err := r.change(step.kind, "A", step.units, name, step.where...)
		if fault.Reason(err) != step.refuse || done.Replayed {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		again, err := r.change(step.kind, "A", step.units, name, step.where...)
		if fault.Reason(err) != step.refuse || again.Replayed != (step.refuse == "") {
			t.Errorf("%s again: %+v, %v", name, again, err)
		}
		if diff := cmp.Diff(done.Changes, again.Changes); diff != "" {
			t.Errorf("%s answers otherwise:\n%s", name, diff)
		}
		if got := r.rows(home)["A"]; got != step.home || r.rows(away)["A"].OnHand != step.away {
			t.Errorf("%s: %+v, and %+v away", name, got, r.rows(away)["A"])
		}
		r.checked("A", name)
	}
	r.overview(t)
}

// overview expects what TestChange did.
func (r room) overview(t *testing.T) {
	t.Helper()
	o, err := r.Overview(t.Context(), "A", 4)
	if err != nil {
		t.Fatal(err)
	}
	levels := map[regions.Name]stock.Level{
		home: {Region: home, OnHand: 5, Reserved: 4}, away: {Region: away, OnHand: 5}, "ap-southeast-1": {Region: "ap-southeast-1", OnHand: 10},
	}
	for i, name := range regions.Default().Names() {
		if diff := cmp.Diff(levels[name], o.Levels[i]); diff != "" {
			t.Error(diff)
		}
	}
	var lines []string
	for i, c := range o.Changes {
		lines = append(lines, fmt.Sprint(c.After.Region, " ", c.Kind, " ", c.Units, " to ", c.After.OnHand, " other ", c.Other, " key ", c.Key, " by ", c.By))
		if i > 0 && c.At.After(o.Changes[i-1].At) {
			t.Errorf("%v is after %v", c, o.Changes[i-1])
		}
	}
	want := map[string]bool{
		"us-east-1 transfer 2 to 5 other eu-west-1 key transfer2 by Ada": true, "eu-west-1 transfer -2 to 5 other us-east-1 key transfer2 by Ada": true,
		"us-east-1 transfer -7 to 3 other eu-west-1 key transfer7 by Ada": true, "eu-west-1 transfer 7 to 7 other us-east-1 key transfer7 by Ada": true,
	}
	for _, line := range lines {
		delete(want, line)
	}
	if len(want) > 0 || len(lines) != 4 {
		t.Errorf("the journal ends with %q", lines)
	}
}

// TestChangeRefuses: what is refused leaves nothing, not even an empty allotment.
func TestChangeRefuses(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 30, "endless": stock.Endless, "endless too": stock.Endless})
	if _, err := r.change(stock.Receive, "A", 1, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.db.Exec(t.Context(), `DELETE FROM stock WHERE home_region = $1 AND sku = $2`, home, "endless too"); err != nil {
		t.Fatal(err)
	}
	before := r.rows(home)
	for name, c := range map[string]struct {
		kind    stock.Kind
		variant string
		units   int64
		key     string
		want    string
	}{
		"not counted":                {stock.Count, "endless", 7, "l", "STOCK_UNTRACKED"},
		"not counted, and none here": {stock.Receive, "endless too", 7, "l", "STOCK_UNTRACKED"},
		"a key of another number":    {stock.Receive, "A", 2, "k", "IDEMPOTENCY_KEY_REUSED"},
		"a key of another kind":      {stock.Count, "A", 1, "k", "IDEMPOTENCY_KEY_REUSED"},
		"a key of another variant":   {stock.Receive, "B", 1, "k", "IDEMPOTENCY_KEY_REUSED"},
		"a key that only one knows":  {stock.Transfer, "A", 1, "k", "IDEMPOTENCY_KEY_REUSED"},
		"nothing":                    {stock.Receive, "A", 0, "l", "STOCK_UNITS_INVALID"},
	} {
		if _, err := r.change(c.kind, c.variant, c.units, c.key, away, home); fault.Reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, r.rows(home)); diff != "" {
		t.Error(diff)
	}
	// A region that is new, and what a former release has written.
	if _, err := r.change(stock.Receive, "N", 3, "n"); err != nil {
		t.Error(err)
	}
	if _, err := r.db.Exec(t.Context(), `INSERT INTO stock_changes (home_region, sku, units, allotted) VALUES ($1, 'N', 0, 3)`, home); err != nil {
		t.Fatal(err)
	}
	o, err := r.Overview(t.Context(), "N", 9)
	if err != nil || len(o.Changes) != 2 || o.Changes[0].Known || o.Changes[0].Kind != stock.Import || !o.Changes[1].Known {
		t.Errorf("%+v, %v", o, err)
	}
	r.checked("N", "a former release")
}

// TestChangeAtOnce: one key from many at once is one change, transfers cross, and orders go on.
func TestChangeAtOnce(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.allot(map[string]int64{"A": 30})
	var wg sync.WaitGroup
	var fresh, received, reserved atomic.Int64
	try := func(count *atomic.Int64, do func() (stock.Done, error)) {
		wg.Go(func() {
			switch done, err := do(); {
			case err == nil && !done.Replayed:
				count.Add(1)
			case err != nil && fault.Reason(err) != "STOCK_SHORT" && fault.Reason(err) != "OUT_OF_STOCK" && !fault.Is(err, fault.Unavailable):
				t.Error(err)
			}
		})
	}
	var moved atomic.Int64
	for i := range 5 {
		try(&fresh, func() (stock.Done, error) { return r.change(stock.Receive, "A", 7, "same") })
		try(&received, func() (stock.Done, error) { return r.change(stock.Receive, "A", 1, fmt.Sprint("own-", i)) })
		try(&moved, func() (stock.Done, error) {
			return r.change(stock.Transfer, "A", 2, fmt.Sprint("there-", i), home, away)
		})
		try(&moved, func() (stock.Done, error) {
			return r.change(stock.Transfer, "A", 3, fmt.Sprint("back-", i), away, home)
		})
		try(&reserved, func() (stock.Done, error) {
			return stock.Done{}, r.reserve(stock.Quantity{Variant: "A", Units: 1})
		})
	}
	wg.Wait()
	all := r.checked("A", "all at once")
	if fresh.Load() > 1 || all.Allotted != 30+7*fresh.Load()+received.Load() || all.Reserved != reserved.Load() {
		t.Errorf("%+v of %d, %d and %d", all, fresh.Load(), received.Load(), reserved.Load())
	}
	if done, err := r.change(stock.Receive, "A", 7, "same"); err != nil || done.Replayed != (fresh.Load() == 1) {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestKeyOfTwoAtOnce: a key that two ask for different variants with is one of theirs.
func TestKeyOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	r := open(t)
	var wg sync.WaitGroup
	var done atomic.Int64
	for _, variant := range []string{"A", "B", "C", "D"} {
		wg.Go(func() {
			switch _, err := r.change(stock.Receive, variant, 1, "same"); {
			case err == nil:
				done.Add(1)
			case fault.Reason(err) != "IDEMPOTENCY_KEY_REUSED" && !fault.Is(err, fault.Unavailable):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(r.rows(home)) != int(done.Load()) || done.Load() != 1 {
		t.Errorf("%d were done: %v", done.Load(), r.rows(home))
	}
}

// queued does what an order does with units.
func (r room) queued(queue func(*sqldb.Batch, regions.Name, []stock.Quantity), in regions.Name, variant string, units int64) error {
	return r.do(func(batch *sqldb.Batch) { queue(batch, in, []stock.Quantity{{Variant: variant, Units: units}}) })
}

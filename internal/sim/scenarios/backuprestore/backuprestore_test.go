package backuprestore

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// op is a request by user u that was invoked a tenth of a second before it was answered.
func op(kind history.Kind, seconds float64, outcome history.Outcome, edit func(*history.Op)) history.Op {
	o := history.Op{Kind: kind, User: "u", Invoked: at(seconds - 0.1), Returned: at(seconds), Outcome: outcome}
	if edit != nil {
		edit(&o)
	}
	return o
}

func order(id, key string) func(*history.Op) {
	return func(o *history.Op) { o.Order, o.Key = id, key }
}

// oneCut restores the point of second 10 after a loss at second 12; the database serves again from second 15 on.
func oneCut() []cut {
	return []cut{{loss: cluster.LoseDisk, lost: at(12), gone: at(12), point: at(10), restoring: at(14), open: at(15), timelines: [2]int64{1, 2}}}
}

func TestAnswersOfTheUndoneTimeBindNobody(t *testing.T) {
	t.Parallel()
	ops := []history.Op{
		op(history.PlaceOrder, 9, history.OK, order("before", "a")),
		op(history.GetCart, 11, history.OK, nil),
		op(history.SetItem, 11.1, history.OK, func(o *history.Op) { o.Items = map[string]int32{"A": 1} }),
		op(history.PlaceOrder, 11.2, history.OK, order("lost", "b")),
		op(history.GetOrder, 11.3, history.OK, order("before", "")),
		op(history.WatchMessage, 11.4, history.OK, order("lost", "")),
		op(history.List, 11.5, history.OK, nil),
		op(history.PlaceOrder, 11.6, history.OK, order("survived", "c")),
		op(history.PlaceOrder, 16, history.OK, func(o *history.Op) { o.Order, o.Key, o.Replay = "again", "b", true }),
		op(history.GetCart, 17, history.OK, nil),
	}
	facts := []check.Order{{ID: "before", User: "u", Key: "a"}, {ID: "survived", User: "u", Key: "c"}, {ID: "again", User: "u", Key: "b"}}
	got, u := binding(ops, oneCut(), facts)
	want := []history.Op{ops[0], ops[2], ops[3], ops[6], ops[7], ops[9]}
	want[1].Outcome, want[1].Items = history.Info, nil
	want[2].Outcome, want[2].Order = history.Info, ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what binds (-want +got):\n%s", diff)
	}
	lost := []LostOrder{{Order: "lost", User: "u", Key: "b", At: at(11.2), Again: "again"}}
	if diff := cmp.Diff(lost, u.orders); diff != "" || u.edits != 1 {
		t.Errorf("%d edits undone; lost orders (-want +got):\n%s", u.edits, diff)
	}
}

// An order that was acknowledged before the point binds, so the checker finds that it is not there.
func TestAnOrderBeforeThePointIsNotForgiven(t *testing.T) {
	t.Parallel()
	ops, u := binding([]history.Op{op(history.PlaceOrder, 9.9, history.OK, order("gone", "a"))}, oneCut(), nil)
	found := check.Run(ops, check.Facts{})
	if len(u.orders) != 0 || len(found) == 0 || found[0].Invariant != check.AcknowledgedOnce {
		t.Errorf("lost: %v; found: %v", u.orders, found)
	}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	payments := []check.Payment{
		{ID: "p1", Order: "there", State: "captured", Captures: []check.Capture{{ID: "c"}}},
		{ID: "p2", Order: "lost", State: "captured", Amount: 5, Currency: "EUR", Captures: []check.Capture{{ID: "c"}}},
		{ID: "p3", Order: "never heard of", State: "authorized"},
	}
	orders, lost := []check.Order{{ID: "there"}}, []LostOrder{{Order: "lost"}}
	orphans, rest, found := reconcile(payments, orders, map[string]string{"p1": "captured"}, lost, 1)
	want := []Orphan{{Payment: "p2", Order: "lost", Amount: 5, Currency: "EUR", State: "captured", Captured: true}, {Payment: "p3", Order: "never heard of", State: "authorized"}}
	if diff := cmp.Diff(want, orphans); diff != "" || len(found) != 0 {
		t.Errorf("found %v; orphans (-want +got):\n%s", found, diff)
	}
	if diff := cmp.Diff(payments[:1], rest); diff != "" {
		t.Error(diff)
	}
	_, _, found = reconcile(payments, orders, map[string]string{"another": "captured"}, lost, 0)
	want2 := []check.Violation{{Invariant: PaymentKnown, IDs: []string{"p1"}}, {Invariant: OrphanIsUndone, IDs: []string{"p3"}}}
	if diff := cmp.Diff(want2, found, cmpopts.IgnoreFields(check.Violation{}, "Detail")); diff != "" {
		t.Errorf("a payment of another id, and one of nobody (-want +got):\n%s", diff)
	}
}

func TestPointIsTheLastMomentThatIsArchivedWhole(t *testing.T) {
	t.Parallel()
	samples := []postgres.Sample{{At: at(1), LSN: 10}, {At: at(2), LSN: 20}, {At: at(3), LSN: 20}, {At: at(4), LSN: 21}}
	for archived, want := range map[postgres.LSN]time.Time{20: at(3), 30: at(4), 19: at(1), 9: {}} {
		if got := pointOf(samples, archived); !got.Equal(want) {
			t.Errorf("archived until %v: %v, want %v", archived, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"no loss":                     {"--losses="},
		"another loss":                {"--losses=flood"},
		"no calm":                     {"--calm=0s"},
		"no archive":                  {"--archive=1ms"},
		"another plant":               {"--plant=rose"},
		"a log that must be complete": {"--plant=" + TruncateLogs, "--losses=drop-database"},
	} {
		r := scenariotest.Play(t, Scenario(), nil, flags...)
		if r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%s is accepted: %v", name, r.Err)
		}
	}
}

// fake is a simulation whose database can be lost and comes back whole.
type fake struct {
	*scenariotest.Fake
	gone     atomic.Bool
	timeline atomic.Int64
	frozen   bool // the timeline stays: nothing was restored
	immune   bool // the loss is none
}

func newFake(bug shoptest.Bug) *fake {
	f := &fake{Fake: scenariotest.New(bug)}
	reach := f.Shop.Before
	f.Shop.Before = func(ctx context.Context, r *http.Request) error {
		if f.gone.Load() {
			return errors.New("no database")
		}
		return reach(ctx, r)
	}
	return f
}

func (f *fake) BackUp(context.Context, string) (postgres.Backup, error) {
	time.Sleep(2 * time.Second)
	return postgres.Backup{Bytes: 1 << 20}, nil
}

func (f *fake) Follow(ctx context.Context, every time.Duration) (out []postgres.Sample) {
	for ctx.Err() == nil {
		out = append(out, postgres.Sample{At: time.Now()})
		time.Sleep(every)
	}
	return out
}

func (f *fake) Position(context.Context) (int64, postgres.LSN, error) {
	return f.timeline.Load(), 0, nil
}

func (f *fake) Archived() (postgres.LSN, error) { return 0, nil }

func (f *fake) LoseDatabase(context.Context, cluster.DatabaseLoss) (postgres.LSN, error) {
	f.gone.Store(!f.immune)
	return 0, nil
}

func (f *fake) Forget(postgres.LSN) (int, error) { return 1, nil }

func (f *fake) RestoreDatabase(context.Context, postgres.Backup, cluster.DatabaseLoss) error {
	time.Sleep(time.Second)
	f.gone.Store(false)
	if !f.frozen {
		f.timeline.Add(1)
	}
	return nil
}

// scenario is the drill, which asks the fake what it would ask the database.
func (f *fake) scenario() scenario.Scenario {
	return (&drill{
		known: func(context.Context, *scenario.Run) (map[string]string, error) {
			known := map[string]string{}
			for _, p := range f.Shop.Facts().Payments {
				known[p.ID] = p.State
			}
			return known, nil
		},
		truncate: func(context.Context, *scenario.Run, string) error { return nil },
	}).scenario()
}

func TestDrill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake *fake
		want string
	}{
		"good":         {newFake(""), ""},
		"orders lost":  {newFake(shoptest.ForgetsOrders), check.AcknowledgedOnce},
		"not restored": {func() *fake { f := newFake(""); f.frozen = true; return f }(), NotVacuous},
		"not lost":     {func() *fake { f := newFake(""); f.immune = true; return f }(), NotVacuous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := func(*scenario.Run) scenario.World {
				w := c.fake.World(c.fake)
				w.Server = c.fake
				return w
			}
			r := scenariotest.Play(t, c.fake.scenario(), world, "--calm=8s", "--rate=15", "--shoppers=40")
			got := r.Invariants()
			if c.want == "" && (len(got) > 0 || r.Err != nil) || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("%v; violations %v, want %q: %+v", r.Err, got, c.want, r.Violations)
			}
			if c.want != "" {
				return
			}
			var f Figures
			r.Figures(t, &f)
			if len(f.Losses) != 2 || f.Losses[0].OrdersAfter == nil || f.Losses[0].PointBefore != 0 {
				t.Errorf("%s", r.JSON)
			}
			if !strings.Contains(r.HTML, "lose-disk") || !strings.Contains(r.HTML, "passed") {
				t.Errorf("%s", r.HTML)
			}
		})
	}
}

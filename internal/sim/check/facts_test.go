package check_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/sim/bus"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

func payload(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// second is a moment of the run.
func second(n int) time.Time { return time.Unix(int64(n), 0) }

// sound is an order that was placed, confirmed, fulfilled and paid, as everybody keeps it, and who watched it.
func sound(t *testing.T) ([]history.Op, check.Facts) {
	t.Helper()
	var ops []history.Op
	for v, at := range []int{2, 4, 10} {
		ops = append(ops, history.Op{Kind: history.WatchMessage, Order: "o", User: "u", Outcome: history.OK, Version: int64(v + 1),
			State: []string{"pending_payment", "confirmed", "fulfilled"}[v], Invoked: second(1), Returned: second(at)})
	}
	ops = append(ops, span(1, 2, history.Op{Kind: history.SignUp, Outcome: history.OK}))
	placing := place("k", 1, history.OK, "o")
	placing.Returned = second(2)
	published := second(9)
	f := check.Facts{
		Orders: []check.Order{{ID: "o", User: "u", Home: "eu-west-1", Key: "k", State: "fulfilled", Version: 3, Total: 5, Currency: "EUR",
			Created: second(1), Lines: 5, Listed: 5}},
		Payments: []check.Payment{{ID: "p", Order: "o", State: "captured", Amount: 5, Currency: "EUR", Captures: []check.Capture{{ID: "c", Amount: 5}}}},
		Kept:     []check.Kept{{ID: "p", Order: "o", State: "captured", Amount: 5, Currency: "EUR"}},
		Events: []check.Event{
			{ID: "e1", Order: "o", Sequence: 1, Type: "meridian.order.placed.v1", Created: second(1), Published: &published, Payload: payload(t,
				&eventv1.OrderPlaced{OrderId: "o", UserId: "u", HomeRegion: "eu-west-1", Total: &moneyv1.Money{MinorUnits: 5, Currency: "EUR"}})},
			{ID: "e2", Order: "o", Sequence: 2, Type: "meridian.order.confirmed.v1", Created: second(3), Published: &published,
				Payload: payload(t, &eventv1.OrderConfirmed{OrderId: "o", HomeRegion: "eu-west-1", PaymentId: "p"})},
			{ID: "e3", Order: "o", Sequence: 3, Type: "meridian.order.fulfilled.v1", Created: second(9), Published: &published,
				Payload: payload(t, &eventv1.OrderFulfilled{OrderId: "o", HomeRegion: "eu-west-1"})},
		},
		Bus: map[string]bus.Event{}, Arrived: map[string]int{"SignUp": 1},
	}
	for _, e := range f.Events {
		f.Bus[e.ID] = bus.Event{Aggregate: e.Order, Type: e.Type, Payload: e.Payload}
	}
	return append(ops, placing), f
}

// TestEveryContradictionIsFound changes one thing of what everybody keeps.
func TestEveryContradictionIsFound(t *testing.T) {
	t.Parallel()
	read := func(op history.Op) func([]history.Op, *check.Facts) []history.Op {
		return func(ops []history.Op, _ *check.Facts) []history.Op {
			op.Order, op.User = "o", "u"
			op.Invoked, op.Returned = second(20), second(21)
			return append(ops, op)
		}
	}
	facts := func(change func(*check.Facts)) func([]history.Op, *check.Facts) []history.Op {
		return func(ops []history.Op, f *check.Facts) []history.Op { change(f); return ops }
	}
	for name, tt := range map[string]struct {
		change func([]history.Op, *check.Facts) []history.Op
		want   string // "": nothing
	}{
		"nothing":                    {facts(func(*check.Facts) {}), ""},
		"another's order":            {read(history.Op{Kind: history.GetOrder, Foreign: true, Outcome: history.OK, Version: 1, State: "pending_payment"}), check.OrderPrivate},
		"another's order, refused":   {read(history.Op{Kind: history.GetOrder, Foreign: true, Outcome: history.Fail, Code: "not_found"}), ""},
		"another's order, watched":   {read(history.Op{Kind: history.WatchMessage, Foreign: true, Outcome: history.OK, Version: 3, State: "fulfilled"}), check.OrderPrivate},
		"an order that is not found": {read(history.Op{Kind: history.GetOrder, Outcome: history.Fail, Code: "not_found"}), check.OrderReadable},
		"an order that must wait":    {read(history.Op{Kind: history.GetOrder, Outcome: history.Fail, Code: "unavailable"}), ""},
		"a skipped state": {func(ops []history.Op, _ *check.Facts) []history.Op {
			return slices.Delete(ops, 1, 2)
		}, check.WatchComplete},
		"a state that was skipped because all was late": {func(ops []history.Op, _ *check.Facts) []history.Op {
			ops[2].Returned = second(13)
			return slices.Delete(ops, 1, 2)
		}, ""},
		"a line at another price":   {facts(func(f *check.Facts) { f.Orders[0].Listed = 6 }), check.PricesAreListed},
		"declined here only":        {facts(func(f *check.Facts) { f.Kept[0].State = "declined" }), check.ProviderAgrees},
		"unknown at the provider":   {facts(func(f *check.Facts) { f.Orders[0].State, f.Kept[0].State, f.Payments = "confirmed", "authorized", nil }), check.ProviderAgrees},
		"unknown here":              {facts(func(f *check.Facts) { f.Kept = []check.Kept{} }), check.ProviderAgrees},
		"another amount":            {facts(func(f *check.Facts) { f.Kept[0].Amount = 6 }), check.ProviderAgrees},
		"not on the bus":            {facts(func(f *check.Facts) { delete(f.Bus, "e2") }), check.BusHasOutbox},
		"not published":             {facts(func(f *check.Facts) { delete(f.Bus, "e2"); f.Events[1].Published = nil }), ""},
		"lost with a bus":           {facts(func(f *check.Facts) { f.Bus = map[string]bus.Event{}; f.BusSince = second(10) }), ""},
		"on the bus only":           {facts(func(f *check.Facts) { f.Bus["e9"] = bus.Event{Aggregate: "o"} }), check.BusHasOutbox},
		"something else on the bus": {facts(func(f *check.Facts) { f.Bus["e2"] = f.Bus["e3"] }), check.BusHasOutbox},
		"an event of another user":  {facts(func(f *check.Facts) { f.Orders[0].User, f.Orders[0].Key = "v", "l" }), check.EventTellsChange},
		"an event of another money": {facts(func(f *check.Facts) { f.Kept[0].ID, f.Payments[0].ID = "q", "q" }), check.EventTellsChange},
		"a sign-up that came twice": {facts(func(f *check.Facts) { f.Arrived["SignUp"] = 2 }), check.PostOnce},
		"refused, and placed at once": {func(ops []history.Op, _ *check.Facts) []history.Op {
			refused := place("k", 0, history.Fail, "")
			refused.Invoked, refused.Returned = second(0), second(1).Add(time.Millisecond)
			return append([]history.Op{refused}, ops...)
		}, check.FailedAbsent},
		"refused, and placed later": {func(ops []history.Op, _ *check.Facts) []history.Op {
			return append([]history.Op{place("k", 0, history.Fail, "")}, ops...)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops, f := sound(t)
			ops = tt.change(ops, &f)
			var want, got []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			for _, v := range check.Run(ops, f) {
				if v.Invariant != check.AcknowledgedOnce { // of an order that is another user's all at once
					got = append(got, v.Invariant)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

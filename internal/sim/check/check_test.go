package check_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
)

// TestEveryBrokenPromiseIsCaught runs a load against a shop with a bug, in simulated time, and judges it.
func TestEveryBrokenPromiseIsCaught(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bug  shoptest.Bug
		want []string
	}{
		{"", nil},
		{shoptest.ForgetsOrders, []string{check.AcknowledgedOnce}},
		{shoptest.IgnoresKeys, []string{check.AcknowledgedOnce, check.CartLinearizable, check.ReplayIdentical}},
		{shoptest.ChangesAnswers, []string{check.ReplayIdentical}},
		{shoptest.KeepsRefused, []string{check.FailedAbsent}},
		{shoptest.CapturesTwice, []string{check.CaptureOnce}},
		{shoptest.CapturesNothing, []string{check.FulfilledPaid}},
		{shoptest.ForgetsEvents, []string{check.OrderSettles}},
		{shoptest.ServesOldCarts, []string{check.CartLinearizable}},
		{shoptest.KeepsCarts, []string{check.CartLinearizable}},
		{shoptest.GoesBack, []string{check.OrderLinearizable}},
		{shoptest.SharesKeys, []string{check.AcknowledgedOnce, check.CartLinearizable, check.OrderReadable}},
		{shoptest.ShowsOrders, []string{check.OrderPrivate}},
		{shoptest.RefusesOrders, []string{check.OrderReadable}},
	} {
		t.Run(string(tt.bug), func(t *testing.T) {
			t.Parallel()
			shop := &shoptest.Shop{Bug: tt.bug}
			h := &history.History{}
			synctest.Test(t, func(t *testing.T) {
				l, err := load.New(t.Context(), load.Config{
					Seed: 3, Rate: 12, Duration: 45 * time.Second, Shoppers: 40, Hour: 12, Cities: internet.Cities(), Access: shop, History: h,
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := l.ComeBack(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
			var got []string
			for _, v := range check.Run(h.Ops(), shop.Facts()) {
				got = append(got, v.Invariant)
				if len(v.IDs) == 0 || v.Detail == "" {
					t.Errorf("%s names nothing: %+v", v.Invariant, v)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, slices.Compact(got)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// place makes one PlaceOrder for a hand-written history.
func place(key string, attempt int, outcome history.Outcome, order string) history.Op {
	at := time.Unix(int64(attempt), 0)
	return history.Op{
		User: "u", Kind: history.PlaceOrder, Key: key, Attempt: attempt, Invoked: at, Returned: at.Add(time.Millisecond),
		Outcome: outcome, Order: order, Version: 1, State: "pending_payment",
	}
}

func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	row := func(id, key string) check.Order { return check.Order{ID: id, User: "u", Key: key, State: "confirmed"} }
	unknown := place("k", 1, history.Info, "")
	for _, tt := range []struct {
		name   string
		ops    []history.Op
		orders []check.Order
		want   []string
	}{
		{"became no order", []history.Op{unknown}, nil, nil},
		{"became an order", []history.Op{unknown}, []check.Order{row("o", "k")}, nil},
		{"became two orders", []history.Op{unknown}, []check.Order{row("o", "k"), row("p", "k")}, []string{check.UnknownAtMostOnce}},
		{"then refused, and became an order", []history.Op{unknown, place("k", 2, history.Fail, "")}, []check.Order{row("o", "k")}, nil},
		{"then acknowledged", []history.Op{unknown, place("k", 2, history.OK, "o")}, []check.Order{row("o", "k")}, nil},
		{"then acknowledged as another", []history.Op{unknown, place("k", 2, history.OK, "o")}, []check.Order{row("p", "k")}, []string{check.AcknowledgedOnce}},
		{"of another key", []history.Op{unknown}, []check.Order{row("o", "other")}, []string{check.NoPhantom}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range check.Run(tt.ops, check.Facts{Orders: tt.orders}) {
				got = append(got, v.Invariant)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCapturesWithoutAnOrder(t *testing.T) {
	t.Parallel()
	captured := check.Payment{ID: "pay", Order: "o", Captures: []check.Capture{{ID: "c", Amount: 5}}}
	for name, orders := range map[string][]check.Order{
		"no order":       nil,
		"canceled order": {{ID: "o", User: "u", State: "canceled"}},
	} {
		got := check.Run(nil, check.Facts{Orders: orders, Payments: []check.Payment{captured}})
		if len(got) != 1 || got[0].Invariant != check.CaptureHasOrder || !slices.Equal(got[0].IDs, []string{"o"}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

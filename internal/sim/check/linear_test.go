package check_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// span makes an operation of user u from one second to another.
func span(from, to int, op history.Op) history.Op {
	op.User, op.Attempt = "u", 1
	op.Invoked, op.Returned = time.Unix(int64(from), 0), time.Unix(int64(to), 0)
	return op
}

func set(units int32, outcome history.Outcome, after map[string]int32) history.Op {
	return history.Op{Kind: history.SetItem, SKU: "a b", Units: units, Outcome: outcome, Items: after}
}

func cart(items map[string]int32) history.Op {
	return history.Op{Kind: history.GetCart, Outcome: history.OK, Items: items}
}

func TestCartHistories(t *testing.T) {
	t.Parallel()
	one, two, none := map[string]int32{"a b": 1}, map[string]int32{"a b": 2}, map[string]int32{}
	order := history.Op{Kind: history.PlaceOrder, Key: "k", Outcome: history.Info}
	for _, tt := range []struct {
		name string
		ops  []history.Op
		ok   bool
	}{
		{"one after the other", []history.Op{span(1, 2, set(1, history.OK, one)), span(3, 4, cart(one))}, true},
		{"a read that misses an acknowledged write", []history.Op{span(1, 2, set(1, history.OK, one)), span(3, 4, cart(none))}, false},
		{"a read beside the write misses it", []history.Op{span(1, 4, set(1, history.OK, one)), span(2, 3, cart(none))}, true},
		{"an unknown write that happened", []history.Op{span(1, 2, set(1, history.Info, nil)), span(3, 4, cart(one))}, true},
		{"an unknown write that did not", []history.Op{span(1, 2, set(1, history.Info, nil)), span(3, 4, cart(none))}, true},
		{"an unknown write that happened later", []history.Op{span(1, 2, set(1, history.Info, nil)), span(3, 4, cart(none)), span(5, 6, cart(one))}, true},
		{"an unknown write that was taken back", []history.Op{span(1, 2, set(1, history.Info, nil)), span(3, 4, cart(one)), span(5, 6, cart(none))}, false},
		{"a refused write that happened", []history.Op{span(1, 2, set(1, history.Fail, nil)), span(3, 4, cart(one))}, false},
		{"a lost update", []history.Op{span(1, 4, set(1, history.OK, one)), span(2, 3, set(2, history.OK, two)), span(5, 6, cart(none))}, false},
		{"an unknown order took the cart", []history.Op{span(1, 2, set(1, history.OK, one)), span(3, 4, order), span(5, 6, cart(none))}, true},
		{"an unknown order did not", []history.Op{span(1, 2, set(1, history.OK, one)), span(3, 4, order), span(5, 6, cart(one))}, true},
		{"an unknown order took it and gave it back", []history.Op{
			span(1, 2, set(1, history.OK, one)), span(3, 4, order), span(5, 6, cart(none)), span(7, 8, cart(one)),
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, check.CartLinearizable, tt.ops, tt.ok)
		})
	}
}

func read(version int64, state string) history.Op {
	return history.Op{Kind: history.GetOrder, Order: "o", Version: version, State: state, Outcome: history.OK}
}

func message(version int64, state string) history.Op {
	op := read(version, state)
	op.Kind = history.WatchMessage
	return op
}

func TestOrderHistories(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ops  []history.Op
		ok   bool
	}{
		{"forward", []history.Op{span(1, 2, read(1, "pending_payment")), span(3, 4, read(3, "fulfilled"))}, true},
		{"back", []history.Op{span(1, 2, read(2, "confirmed")), span(3, 4, read(1, "pending_payment"))}, false},
		{"an older answer to an overlapping read", []history.Op{span(1, 5, read(2, "confirmed")), span(2, 6, read(1, "pending_payment"))}, true},
		{"back, hidden behind a long read", []history.Op{
			span(1, 9, read(1, "pending_payment")), span(2, 3, read(2, "confirmed")), span(4, 5, read(1, "pending_payment")),
		}, false},
		{"one version, two states", []history.Op{span(1, 2, read(2, "confirmed")), span(3, 4, read(2, "canceled"))}, false},
		{"a stream", []history.Op{span(1, 2, message(1, "pending_payment")), span(1, 3, message(2, "confirmed"))}, true},
		{"a stream that repeats itself", []history.Op{span(1, 2, message(1, "pending_payment")), span(1, 3, message(1, "pending_payment"))}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, check.OrderLinearizable, tt.ops, tt.ok)
		})
	}
}

func expect(t *testing.T, invariant string, ops []history.Op, ok bool) {
	t.Helper()
	var want, got []string
	if !ok {
		want = []string{invariant}
	}
	for _, v := range check.Run(ops, check.Facts{}) {
		got = append(got, v.Invariant)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

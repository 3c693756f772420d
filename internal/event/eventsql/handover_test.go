package eventsql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// While the bus is away consumers are handed what they want, and take it once: they know it when the bus brings it.
func TestHandOver(t *testing.T) {
	t.Parallel()
	f := open(t)
	handOver := func(when string, want int) {
		t.Helper()
		if n, err := f.relay.HandOver(t.Context(), home); n != want || err != nil {
			t.Errorf("%s: %d were handed over, want %d (%v)", when, n, want, err)
		}
	}
	before, elsewhere := newEvent("before", 1), newEvent("x", 1)
	elsewhere.Home = "us-east-1"
	f.append(before, elsewhere)
	f.step(1)
	f.take(f.mail, before)
	handOver("while the bus works, what it has is its own to bring", 0)

	f.down = errors.New("no bus")
	placed, confirmed, other := newEvent("a", 1), newEvent("a", 2), newEvent("b", 1)
	f.append(placed, confirmed, other)
	if _, err := f.relay.Publish(t.Context(), home); !errors.Is(err, f.down) {
		t.Fatal(err)
	}
	handOver("two placed orders to two consumers, and what one had not taken", 5)
	handOver("all is taken", 0)
	want := map[string][]string{"mail": {"evt_a_1", "evt_b_1", "evt_before_1"}, "search": {"evt_a_1", "evt_b_1", "evt_before_1"}}
	if diff := cmp.Diff(want, f.sorted()); diff != "" {
		t.Error(diff)
	}

	f.down = nil
	f.exec(minutePasses, home)
	f.step(3)
	for _, e := range []event.Event{placed, other} {
		f.take(f.mail, e)
		f.take(f.search, e)
	}
	if diff := cmp.Diff(want, f.sorted()); diff != "" {
		t.Errorf("the bus brought what was taken: %s", diff)
	}
	if left := f.pending(); len(left) > 0 {
		t.Errorf("owed: %s", left)
	}
	handOver("the bus is back", 0)
	early, late := newEvent("early", 1), newEvent("late", 1)
	f.append(early)
	f.step(1)
	handOver("it is back, but its readers may not be", 2)
	f.relay.Pass(2 * time.Minute)
	f.append(late)
	f.step(1)
	handOver("its readers are back too", 0)
	// It was away for so short that no publishing failed, and came back empty.
	bus := &at{}
	k := eventsql.NewKeeper(f.db, bus, home, f.relay, discard)
	for _, id := range []string{"1", "2"} {
		bus.move(id, 9)
		if _, err := k.Keep(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	handOver("it is another bus", 2)
	f.lint()
}

// sorted returns the effects by consumer, in an order that does not depend on who came first.
func (f *fixture) sorted() map[string][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string][]string{}
	for who, ids := range f.effects {
		out[who] = slices.Sorted(slices.Values(ids))
	}
	return out
}

// What a consumer cannot take, however much of it there is, keeps nothing else from it.
func TestHandOverGoesAroundWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	f := open(t)
	bad := map[string]bool{}
	picky := f.consumer("picky")
	effect := picky.Effect
	picky.Effect = func(ctx context.Context, tx sqldb.Tx, e event.Event) error {
		if bad[e.ID] {
			return fault.New(fault.Invalid, "EVENT_MALFORMED", "it is no event of ours")
		}
		return effect(ctx, tx, e)
	}
	f.relay = f.relayFor(picky)
	for i := range 150 {
		e := newEvent(fmt.Sprint("bad", i), 1)
		e.CreatedAt = e.CreatedAt.Add(-time.Second)
		bad[e.ID] = true
		f.append(e)
	}
	good := newEvent("good", 1)
	f.append(good)
	f.down = errors.New("no bus")
	if _, err := f.relay.Publish(t.Context(), home); !errors.Is(err, f.down) {
		t.Fatal(err)
	}
	if n, err := f.relay.HandOver(t.Context(), home); n != 1 || err != nil {
		t.Errorf("%d were handed over: %v", n, err)
	}
	if diff := cmp.Diff(map[string][]string{"picky": {good.ID}}, f.sorted()); diff != "" {
		t.Error(diff)
	}
}

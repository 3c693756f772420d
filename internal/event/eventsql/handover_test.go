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
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// pass lets time pass for what is not on the bus, and for what is and was not taken.
func (f *fixture) pass(d time.Duration) {
	f.t.Helper()
	f.exec(`UPDATE outbox SET created_at = created_at - $2::interval, due_at = due_at - $2::interval WHERE home_region = $1`, home, d)
	f.exec(`UPDATE pending_deliveries SET created_at = created_at - $2::interval, due_at = due_at - $2::interval WHERE home_region = $1`, home, d)
}

func (f *fixture) handOver(when string, want int) {
	f.t.Helper()
	if n, err := f.relay.HandOver(f.t.Context(), home); n != want || err != nil {
		f.t.Errorf("%s: %d were handed over, want %d (%v)", when, n, want, err)
	}
}

// While the bus is away consumers are handed what they want, and take it once: they know it when the bus brings it.
func TestHandOver(t *testing.T) {
	t.Parallel()
	f := open(t)
	elsewhere := newEvent("x", 1)
	elsewhere.Home = "us-east-1"
	f.append(elsewhere)
	f.down = errors.New("no bus")
	placed, confirmed, other := newEvent("a", 1), newEvent("a", 2), newEvent("b", 1)
	f.append(placed, confirmed, other)
	if _, err := f.relay.Publish(t.Context(), home); !errors.Is(err, f.down) {
		t.Fatal(err)
	}
	f.handOver("the bus may still bring them", 0)
	f.pass(2 * time.Second)
	f.handOver("two placed orders to two consumers", 4)
	f.handOver("all is taken", 0)
	want := map[string][]string{"mail": {"evt_a_1", "evt_b_1"}, "search": {"evt_a_1", "evt_b_1"}}
	if diff := cmp.Diff(want, f.sorted()); diff != "" {
		t.Error(diff)
	}
	f.down = nil
	f.pass(time.Minute)
	f.step(3)
	for _, e := range []event.Event{placed, other} {
		f.take(f.mail, e)
		f.take(f.search, e)
	}
	f.pass(2 * time.Second)
	f.handOver("the bus is back", 0)
	if diff := cmp.Diff(want, f.sorted()); diff != "" {
		t.Errorf("the bus brought what was taken: %s", diff)
	}
	if left := f.pending(); len(left) > 0 {
		t.Errorf("owed: %s", left)
	}
	f.lint()
}

// A bus that is back, or was only away for its readers, takes what it is given and brings it to nobody: not for long.
func TestHandOverForReadersThatAreAway(t *testing.T) {
	t.Parallel()
	f := open(t)
	first := newEvent("first", 1)
	f.append(first)
	f.step(1)
	f.take(f.mail, first)
	f.handOver("it happened just now", 0)
	f.pass(2 * time.Second)
	f.handOver("to the one who has not taken it", 1)
	f.append(newEvent("next", 1))
	f.step(1)
	f.pass(6 * time.Second)
	f.handOver("once it is for the next publishing to bring it", 0)
	f.pass(9 * time.Second)
	if n, err := f.relay.Republish(t.Context(), home); err != nil || n != 3 { // two are taken, and one is published again
		t.Fatalf("%d, %v", n, err)
	}
	f.handOver("it was published again, and is late", 2)
	want := map[string][]string{"mail": {"evt_first_1", "evt_next_1"}, "search": {"evt_first_1", "evt_next_1"}}
	if diff := cmp.Diff(want, f.sorted()); diff != "" || len(f.published) != 3 {
		t.Errorf("published %d times\n%s", len(f.published), diff)
	}
	f.lint()
}

// What the bus refuses for what it is, its consumers are handed.
func TestHandOverOfWhatIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t)
	large := newEvent("large", 1)
	f.refused = []string{large.ID}
	f.append(large)
	f.step(0)
	f.pass(2 * time.Second)
	f.handOver("to both", 2)
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
	f.pass(2 * time.Second)
	f.handOver("what can be", 1)
	if diff := cmp.Diff(map[string][]string{"picky": {good.ID}}, f.sorted()); diff != "" {
		t.Error(diff)
	}
}

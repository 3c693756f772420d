package eventsql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
)

// at is a bus that is where a test puts it.
type at struct {
	position event.Position
	err      error
}

func (a *at) Position(context.Context) (event.Position, error) { return a.position, a.err }

func (a *at) move(id string, end int64) {
	a.position = event.Position{"meridian.orders": {ID: id, Ends: map[int32]int64{0: end}}}
}

func TestKeeper(t *testing.T) {
	t.Parallel()
	f := open(t)
	bus := &at{}
	k := eventsql.NewKeeper(f.db, bus, home, discard)
	keep := func(when string, want int) {
		t.Helper()
		if n, err := k.Keep(t.Context(), home); n != want || err != nil {
			t.Errorf("%s: %d events are due again, want %d (%v)", when, n, want, err)
		}
	}
	placed, confirmed, other, old := newEvent("a", 1), newEvent("a", 2), newEvent("b", 1), newEvent("old", 1)
	f.append(placed, confirmed, other, old)
	bus.move("1", 0)
	keep("the first look", 0)
	f.step(4)
	f.exec(`UPDATE outbox SET created_at = now() - interval '6 days 1 hour' WHERE home_region = $1 AND id = 'evt_old_1'`, home)
	for _, e := range []event.Event{placed, other} {
		f.take(f.mail, e)
		f.take(f.search, e)
	}
	bus.move("1", 4)
	keep("it went on", 0)
	bus.err = errors.New("no bus")
	if n, err := k.Keep(t.Context(), home); n != 0 || !errors.Is(err, bus.err) {
		t.Errorf("away: %d, %v", n, err)
	}
	bus.err = nil
	keep("as before", 0)
	bus.position = nil
	keep("it does not show its topics yet", 0)

	fresh := newEvent("c", 1)
	f.append(fresh)
	bus.move("2", 0)
	f.exec(`UPDATE outbox SET due_at = now() - interval '3 seconds' WHERE home_region = $1 AND id = 'evt_c_1'`, home)
	keep("it is another one, and a new event has waited", 0)
	f.step(1)
	busy := newEvent("busy", 1) // where orders are placed all the time, an event has always just become due
	f.append(busy)
	keep("all that was published lately", 4)
	keep("some are due", 0)
	f.step(5)
	keep("nothing is left", 0)
	keep("it is over", 0)
	if diff := cmp.Diff([]string{"evt_a_1", "evt_a_2", "evt_b_1", "evt_busy_1", "evt_c_1"}, slices.Sorted(slices.Values(f.since(5)))); diff != "" {
		t.Error(diff)
	}
	if a, b := slices.Index(f.since(5), "evt_a_1"), slices.Index(f.since(5), "evt_a_2"); a > b {
		t.Error("a change is published before the one that it follows")
	}
	for _, e := range f.published {
		if e.Type == event.OrderPlaced && e.ID != old.ID {
			f.take(f.mail, e)
			f.take(f.search, e)
		}
	}
	if diff := cmp.Diff([]string{"evt_a_1", "evt_b_1", "evt_busy_1", "evt_c_1"}, slices.Sorted(slices.Values(f.effects["mail"]))); diff != "" {
		t.Errorf("a consumer took each once: %s", diff)
	}
	if n := f.count(`SELECT count(*) FROM bus_positions WHERE home_region = $1 AND bus = $1 AND lost_at IS NULL`, home); n != 1 {
		t.Error("the loss is not done with")
	}
	f.lint()
}

// A long outbox is made due a batch after the other, and another loss in the middle begins anew.
func TestKeeperGoesOnInBatches(t *testing.T) {
	t.Parallel()
	f := open(t)
	bus := &at{}
	bus.move("1", 9)
	k := eventsql.NewKeeper(f.db, bus, home, discard)
	f.exec(`INSERT INTO outbox (home_region, order_id, sequence, id, type, payload, traceparent, created_at, published_at, awaits_effect)
		SELECT $1, 'ord_eu1_' || lpad(o::text, 26, '0'), s, 'evt_' || o || '_' || s, 'meridian.order.confirmed.v1', '', '', now(), now(), false
		FROM generate_series(1, 700) o, generate_series(1, 2) s`, home)
	drain := func() {
		t.Helper()
		f.exec(`UPDATE outbox SET due_at = NULL WHERE home_region = $1`, home)
	}
	var got []string
	for i, id := range []string{"1", "2", "3", "3", "3", "3"} {
		bus.move(id, int64(9+i))
		n, err := k.Keep(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(n))
		drain()
	}
	if diff := cmp.Diff([]string{"0", "1000", "1000", "400", "0", "0"}, got); diff != "" {
		t.Error(diff)
	}
	// A relay of another region knows its own bus, and loses nothing by what happens to this one.
	if n, err := eventsql.NewKeeper(f.db, bus, "us-east-1", discard).Keep(t.Context(), home); n != 0 || err != nil {
		t.Errorf("another bus: %d, %v", n, err)
	}
}

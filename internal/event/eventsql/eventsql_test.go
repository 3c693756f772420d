package eventsql_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/localitylint"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "eu-west-1"

// fixture is a database with a relay whose bus is a slice.
type fixture struct {
	t        testing.TB
	db       *sqldb.DB
	relay    *eventsql.Relay
	recorder *localitylint.Recorder

	mu        sync.Mutex
	published []event.Event
	down      error
}

func open(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, recorder: &localitylint.Recorder{}}
	f.db = sqltest.Open(t, f.recorder)
	f.relay = eventsql.NewRelay(f.db, f, slog.New(slog.DiscardHandler), nil)
	return f
}

// Publish implements eventsql.Publisher.
func (f *fixture) Publish(_ context.Context, events []event.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down == nil {
		f.published = append(f.published, events...)
	}
	return f.down
}

func (f *fixture) append(events ...event.Event) {
	f.t.Helper()
	err := f.db.InTx(f.t.Context(), func(tx sqldb.Tx) error {
		for _, e := range events {
			if err := eventsql.Append(f.t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) step(want int) {
	f.t.Helper()
	if n, err := f.relay.Publish(f.t.Context(), home); err != nil || n != want {
		f.t.Fatalf("a step published %d (%v), want %d", n, err, want)
	}
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) count(sql string, args ...any) (n int) {
	f.t.Helper()
	if err := f.db.QueryRow(f.t.Context(), sql, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) lint() {
	f.t.Helper()
	sqltest.Lint(f.t, f.db, f.recorder)
}

func newEvent(order string, sequence int64) event.Event {
	return event.Event{
		ID: fmt.Sprintf("evt_%s_%d", order, sequence), Home: home, AggregateID: order, Sequence: sequence, Type: event.OrderPlaced,
		Payload: []byte("payload"), Traceparent: "trace", CreatedAt: time.Now().UTC().Truncate(time.Microsecond), AwaitsEffect: sequence == 1,
	}
}

func TestRelayPublishesUntilTheEffectIsDone(t *testing.T) {
	t.Parallel()
	f := open(t)
	elsewhere := newEvent("x", 1)
	elsewhere.Home = "us-east-1"
	placed, confirmed := newEvent("a", 1), newEvent("a", 2)
	f.append(confirmed, placed, elsewhere)
	f.step(2)
	if diff := cmp.Diff([]event.Event{placed, confirmed}, f.published, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Fatal(diff)
	}
	f.step(0)
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND (due_at IS NULL) = (sequence = 2) AND (due_at > now() + interval '10 s') = (sequence = 1)`, home); n != 1 {
		t.Error("the first event is not due again, or the second one is")
	}
	f.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1 AND sequence = 1`, home)
	f.step(1) // as after 15 s without an effect
	if last := f.published[len(f.published)-1]; last.ID != placed.ID {
		t.Errorf("published %s again", last.ID)
	}
	for range 2 {
		if err := f.db.InTx(t.Context(), func(tx sqldb.Tx) error { return eventsql.EffectDone(t.Context(), tx, home, "a", 1) }); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at IS NULL AND published_at IS NOT NULL`, home); n != 2 {
		t.Errorf("%d events are done, want 2", n)
	}
	f.lint()
}

func TestRelayTriesAgainSoon(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("a", 1), newEvent("a", 2))
	f.down = errors.New("no bus")
	if n, err := f.relay.Publish(t.Context(), home); !errors.Is(err, f.down) || n != 0 {
		t.Errorf("got %d, %v", n, err)
	}
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at <= now() + interval '1 s' AND published_at IS NULL`, home); n != 2 {
		t.Errorf("%d events are due within a second, want 2", n)
	}
	f.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1`, home)
	f.down = nil
	f.step(2)
	f.lint()
}

func TestRelaysDoNotShareEvents(t *testing.T) {
	t.Parallel()
	f := open(t)
	var events []event.Event
	for i := range 150 {
		events = append(events, newEvent(fmt.Sprint("o", i), 2))
	}
	f.append(events...)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				n, err := f.relay.Publish(t.Context(), home)
				if err != nil {
					t.Error(err)
				}
				if n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	f.step(0)
	var got []string
	for _, e := range f.published {
		got = append(got, e.ID)
	}
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != 150 || len(got) != 150 {
		t.Errorf("%d events were published %d times", n, len(got))
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	f := open(t)
	changed := errors.New("the change failed")
	err := f.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		if err := eventsql.Append(t.Context(), tx, newEvent("a", 1)); err != nil {
			return err
		}
		return changed
	})
	if !errors.Is(err, changed) {
		t.Error(err)
	}
	f.step(0)
	incomplete := newEvent("a", 1)
	incomplete.ID = ""
	if err := eventsql.Queue(&sqldb.Batch{}, incomplete); !fault.Is(err, fault.Internal) {
		t.Errorf("an event without an id: %v", err)
	}
	empty := newEvent("a", 1)
	empty.Payload, empty.Traceparent = nil, ""
	f.append(empty)
	f.step(1)
}

func TestOnce(t *testing.T) {
	t.Parallel()
	f := open(t)
	aborted := errors.New("the effect failed")
	take := func(consumer string, fail error) (first bool) {
		err := f.db.InTx(t.Context(), func(tx sqldb.Tx) (err error) {
			if first, err = eventsql.Once(t.Context(), tx, home, consumer, "evt"); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Error(err)
		}
		return first
	}
	var got []bool
	for _, try := range []struct {
		consumer string
		fail     error
	}{{"a", aborted}, {"a", nil}, {"a", nil}, {"b", nil}} {
		got = append(got, take(try.consumer, try.fail))
	}
	if diff := cmp.Diff([]bool{true, true, false, true}, got); diff != "" {
		t.Error(diff)
	}
	var wg sync.WaitGroup
	firsts := make(chan bool, 8)
	for range 8 {
		wg.Go(func() { firsts <- take("racing", nil) })
	}
	wg.Wait()
	close(firsts)
	n := 0
	for first := range firsts {
		if first {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of 8 concurrent deliveries were the first", n)
	}
	f.lint()
}

func TestSweeper(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("old", 1), newEvent("old", 2), newEvent("undone", 1), newEvent("new", 1))
	f.exec(`UPDATE outbox SET due_at = NULL WHERE home_region = $1 AND order_id <> 'undone'`, home)
	f.exec(`UPDATE outbox SET created_at = now() - interval '8 days' WHERE home_region = $1 AND order_id <> 'new'`, home)
	f.exec(`INSERT INTO inbox (home_region, consumer, event_id, created_at) SELECT $1, 'c', g::text, now() - interval '8 days' FROM generate_series(1, 600) g`, home)
	f.exec(`INSERT INTO inbox (home_region, consumer, event_id, created_at) VALUES ($1, 'c', 'new', now() - interval '6 days')`, home)
	f.exec(`INSERT INTO idempotency_keys (home_region, user_id, key, request_hash, response, created_at, expires_at) VALUES
		($1, 'u', 'old', '', '', now(), now() - interval '1 s'), ($1, 'u', 'new', '', '', now(), now() + interval '1 h')`, home)
	s := eventsql.NewSweeper(f.db)
	var steps []int
	for {
		n, err := s.Sweep(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		steps = append(steps, n)
	}
	if diff := cmp.Diff([]int{503, 100}, steps); diff != "" {
		t.Error(diff)
	}
	for table, want := range map[string]int{"outbox": 2, "inbox": 1, "idempotency_keys": 1} {
		if n := f.count(`SELECT count(*) FROM `+table+` WHERE home_region = $1`, home); n != want {
			t.Errorf("%d rows are left in %s, want %d", n, table, want)
		}
	}
	f.lint()
}

package eventsql_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "eu-west-1"

var discard = slog.New(slog.DiscardHandler)

// fixture is a database with two consumers and their relay, whose bus is a slice.
type fixture struct {
	t            testing.TB
	db           *sqldb.DB
	mail, search event.Consumer
	relay        *eventsql.Relay
	recorder     *localitylint.Recorder

	mu        sync.Mutex
	effects   map[string][]string // ids of events, by consumer
	published []event.Event
	asked     int
	down      error
	refused   []string // ids of events
}

func open(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, recorder: &localitylint.Recorder{}}
	f.db = sqltest.Open(t, f.recorder)
	f.effects = map[string][]string{}
	f.mail, f.search = f.consumer("mail"), f.consumer("search", event.OrderCanceled)
	f.relay = f.relayFor(f.mail, f.search)
	return f
}

// consumer wants placed orders and more, and its effect is in f.effects.
func (f *fixture) consumer(name string, more ...event.Type) event.Consumer {
	return event.Consumer{
		Name: name, Types: append(more, event.OrderPlaced),
		Effect: func(_ context.Context, _ sqldb.Tx, e event.Event) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.effects[name] = append(f.effects[name], e.ID)
			return nil
		},
	}
}

func (f *fixture) relayFor(consumers ...event.Consumer) *eventsql.Relay {
	f.t.Helper()
	r, err := eventsql.NewRelay(f.db, f, consumers, discard, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// take hands an event to a consumer, as the bus does.
func (f *fixture) take(c event.Consumer, e event.Event) {
	f.t.Helper()
	if err := eventsql.Once(f.db, c)(f.t.Context(), e); err != nil {
		f.t.Fatal(err)
	}
}

// again lets time pass and publishes what was not taken.
func (f *fixture) again(want int) {
	f.t.Helper()
	f.exec(timePasses, home)
	if n, err := f.relay.Republish(f.t.Context(), home); err != nil || n != want {
		f.t.Fatalf("a step published or ended %d (%v), want %d", n, err, want)
	}
}

// pending returns "consumer of event" for each delivery of the region that is not in the consumer's inbox.
func (f *fixture) pending() []string {
	f.t.Helper()
	rows, err := f.db.Query(f.t.Context(), `SELECT p.consumer || ' of ' || o.id FROM pending_deliveries p JOIN outbox o ON o.home_region = $1 AND o.id = p.event_id
		WHERE p.home_region = $1 AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = p.consumer AND i.event_id = p.event_id) ORDER BY 1`, home)
	if err != nil {
		f.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

// Publish implements event.Publisher.
func (f *fixture) Publish(_ context.Context, events []event.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.down != nil {
		return f.down
	}
	for _, e := range events {
		if slices.Contains(f.refused, e.ID) {
			return fmt.Errorf("%w: %s", event.ErrRefused, e.ID)
		}
	}
	f.published = append(f.published, events...)
	return nil
}

func (f *fixture) append(events ...event.Event) {
	f.t.Helper()
	err := f.db.InTx(f.t.Context(), func(tx sqldb.Tx) error { return send(f.t.Context(), tx, events...) })
	if err != nil {
		f.t.Fatal(err)
	}
}

// send queues events and sends them in a transaction.
func send(ctx context.Context, tx sqldb.Tx, events ...event.Event) error {
	batch := &sqldb.Batch{}
	for _, e := range events {
		if err := eventsql.Queue(batch, e); err != nil {
			return err
		}
	}
	return tx.Send(ctx, batch)
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

// newEvent is an order's placing, and its confirmation thereafter.
func newEvent(order string, sequence int64) event.Event {
	kind := event.OrderPlaced
	if sequence > 1 {
		kind = event.OrderConfirmed
	}
	return event.Event{
		ID: fmt.Sprintf("evt_%s_%d", order, sequence), Home: home, AggregateID: orderID(order), Sequence: sequence, Type: kind,
		Payload: []byte("payload"), Traceparent: "trace", CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
}

// orderID is the id of the order that a test calls so.
func orderID(name string) string {
	digits := hex.EncodeToString([]byte(name))
	return "ord_eu1_" + digits + strings.Repeat("0", 26-len(digits))
}

// timePasses leaves out what a relay is working on: to wait for it, row by row, could be each waiting for the other.
const timePasses = `UPDATE pending_deliveries SET due_at = now() WHERE home_region = $1 AND (consumer, event_id) IN (
	SELECT consumer, event_id FROM pending_deliveries WHERE home_region = $1 FOR UPDATE SKIP LOCKED)`

func TestRelayPublishesUntilEveryConsumerHasTakenIt(t *testing.T) {
	t.Parallel()
	f := open(t)
	elsewhere := newEvent("x", 1)
	elsewhere.Home = "us-east-1"
	placed, confirmed := newEvent("a", 1), newEvent("a", 2)
	f.append(confirmed, placed, elsewhere)
	f.step(2)
	if diff := cmp.Diff([]event.Event{placed, confirmed}, f.published); diff != "" {
		t.Fatal(diff)
	}
	f.step(0)
	if diff := cmp.Diff([]string{"mail of evt_a_1", "search of evt_a_1"}, f.pending()); diff != "" {
		t.Error(diff)
	}
	if n := f.count(`SELECT count(*) FROM pending_deliveries WHERE home_region = $1 AND due_at > now() + interval '10 s'`, home); n != 2 {
		t.Errorf("%d deliveries have time, want 2", n)
	}
	f.again(1) // once, although two are owed it
	f.take(f.mail, placed)
	f.again(2) // the mail's is ended; it is published again for the search
	f.take(f.mail, placed)
	f.again(1)
	f.take(f.search, placed)
	f.again(1)
	f.again(0)
	if diff := cmp.Diff([]event.Event{placed, placed, placed}, f.published[2:]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"mail": {placed.ID}, "search": {placed.ID}}, f.effects); diff != "" {
		t.Error(diff)
	}
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at IS NULL AND published_at IS NOT NULL`, home); n != 2 {
		t.Errorf("%d events are done, want 2", n)
	}
	f.lint()
}

func TestAConsumerIsNotOwedWhatWasPublishedBefore(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("old", 1))
	f.step(1)
	late := f.consumer("late")
	f.relay = f.relayFor(f.mail, late) // and the search is not registered any more
	f.append(newEvent("new", 1))
	f.step(1)
	want := []string{"late of evt_new_1", "mail of evt_new_1", "mail of evt_old_1", "search of evt_old_1"}
	if diff := cmp.Diff(want, f.pending()); diff != "" {
		t.Error(diff)
	}
	f.take(f.mail, newEvent("old", 1))
	f.again(2) // the mail's old one is ended, the new one published: nobody is left who would take the old one
	f.take(late, newEvent("old", 1))
	f.take(late, newEvent("new", 1))
	if diff := cmp.Diff([]string{"evt_old_1", "evt_new_1"}, f.effects["late"]); diff != "" {
		t.Errorf("what the bus still has is taken all the same: %s", diff)
	}
}

func TestRelayTriesAgainSoon(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("before", 1))
	f.step(1)
	f.exec(timePasses, home)
	f.append(newEvent("a", 1), newEvent("a", 2))
	f.down = errors.New("no bus")
	for _, step := range []func(context.Context, regions.Name) (int, error){f.relay.Publish, f.relay.Republish} {
		if n, err := step(t.Context(), home); !errors.Is(err, f.down) || n != 0 {
			t.Errorf("got %d, %v", n, err)
		}
	}
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at <= now() + interval '1 s' AND published_at IS NULL`, home); n != 2 {
		t.Errorf("%d events are due within a second, want 2", n)
	}
	if diff := cmp.Diff([]string{"mail of evt_before_1", "search of evt_before_1"}, f.pending()); diff != "" {
		t.Errorf("what is not on the bus is owed: %s", diff)
	}
	if n := f.count(`SELECT count(*) FROM pending_deliveries WHERE home_region = $1 AND due_at <= now() + interval '1 s'`, home); n != 2 {
		t.Errorf("%d deliveries are due within a second, want 2", n)
	}
	f.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1 AND due_at IS NOT NULL`, home)
	f.down = nil
	f.step(2)
	f.again(2)
	f.lint()
}

func TestRelayRefuses(t *testing.T) {
	t.Parallel()
	f := open(t)
	nameless := f.consumer("")
	for name, consumers := range map[string][]event.Consumer{"no name": {f.mail, nameless}, "a name twice": {f.mail, f.search, f.mail}} {
		if _, err := eventsql.NewRelay(f.db, f, consumers, discard, nil); !errors.Is(err, event.ErrConsumer) {
			t.Errorf("%s: %v", name, err)
		}
	}
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

func TestQueue(t *testing.T) {
	t.Parallel()
	f := open(t)
	changed := errors.New("the change failed")
	err := f.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		if err := send(t.Context(), tx, newEvent("a", 1)); err != nil {
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
	failed := errors.New("the effect failed")
	failing := f.mail
	failing.Effect = func(ctx context.Context, tx sqldb.Tx, e event.Event) error {
		return errors.Join(f.mail.Effect(ctx, tx, e), failed)
	}
	e := newEvent("a", 1)
	f.append(e)
	f.step(1)
	if err := eventsql.Once(f.db, failing)(t.Context(), e); !errors.Is(err, failed) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"mail of evt_a_1", "search of evt_a_1"}, f.pending()); diff != "" {
		t.Errorf("after an effect that failed: %s", diff)
	}
	for _, c := range []event.Consumer{f.mail, f.mail, f.search} {
		f.take(c, e)
	}
	if diff := cmp.Diff(map[string][]string{"mail": {e.ID, e.ID}, "search": {e.ID}}, f.effects); diff != "" {
		t.Errorf("the failed one, and one each: %s", diff)
	}
	if left := f.pending(); len(left) > 0 {
		t.Errorf("%s", left)
	}
	f.lint()
}

func TestOnceConcurrently(t *testing.T) {
	t.Parallel()
	f := open(t)
	counted := f.mail
	counted.Effect = func(ctx context.Context, tx sqldb.Tx, _ event.Event) error {
		_, err := tx.Exec(ctx, `INSERT INTO product_views (home_region, handle, views, batch) VALUES ($1, 'x', 1, '')
			ON CONFLICT (home_region, handle) DO UPDATE SET views = product_views.views + 1`, home)
		return err
	}
	e := newEvent("a", 1)
	f.append(e)
	f.step(1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := eventsql.Once(f.db, counted)(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.count(`SELECT views FROM product_views WHERE home_region = $1 AND handle = 'x'`, home); n != 1 {
		t.Errorf("8 concurrent deliveries had %d effects", n)
	}
}

// An inbox forgets; an event may be kept for longer, for another consumer's sake, and then comes again to all.
func TestOnceAfterTheInboxForgot(t *testing.T) {
	t.Parallel()
	f := open(t)
	e := newEvent("a", 1)
	e.CreatedAt = e.CreatedAt.Add(-eventsql.Retention - time.Hour)
	f.append(e)
	f.step(1)
	f.take(f.mail, e)
	f.again(2) // ended for the mail, published again for the search
	f.exec(`DELETE FROM inbox WHERE home_region = $1`, home)
	for range 2 {
		f.take(f.mail, e)
		f.take(f.search, e)
	}
	if diff := cmp.Diff(map[string][]string{"mail": {e.ID}, "search": {e.ID}}, f.effects); diff != "" {
		t.Error(diff)
	}
}

// inboxTooSlow is a database whose inbox cannot be swept in time.
type inboxTooSlow struct{ sqldb.Querier }

func (q inboxTooSlow) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if strings.HasPrefix(sql, "DELETE FROM inbox") {
		return 0, context.DeadlineExceeded
	}
	return q.Querier.Exec(ctx, sql, args...) //nolint:wrapcheck // a test's
}

// TestSweeperGoesOn: a kind of rows that cannot be swept does not keep the others from it, and is said.
func TestSweeperGoesOn(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("old", 1))
	f.step(1)
	f.exec(`DELETE FROM pending_deliveries WHERE home_region = $1`, home)
	f.exec(`UPDATE outbox SET created_at = now() - interval '8 days' WHERE home_region = $1`, home)
	n, err := eventsql.NewSweeper(inboxTooSlow{f.db}, []event.Consumer{f.mail}).Sweep(t.Context(), home)
	if n != 1 || err == nil {
		t.Errorf("%d rows were swept (%v); want the event, and what went wrong", n, err)
	}
}

func TestSweeper(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.append(newEvent("old", 1), newEvent("old", 2), newEvent("due", 1), newEvent("pending", 1), newEvent("gone", 1), newEvent("new", 1))
	f.step(6)
	f.take(f.mail, newEvent("old", 1))
	f.take(f.search, newEvent("old", 1))
	f.take(f.mail, newEvent("gone", 1))
	f.exec(`UPDATE pending_deliveries SET due_at = now() WHERE home_region = $1 AND event_id IN ('evt_old_1', 'evt_gone_1')`, home)
	if n, err := f.relay.Republish(t.Context(), home); n != 4 || err != nil { // three ended, and the search did not take what is gone
		t.Fatal(n, err)
	}
	f.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1 AND id = 'evt_due_1'`, home)
	f.exec(`UPDATE outbox SET created_at = now() - interval '8 days' WHERE home_region = $1 AND id <> 'evt_new_1'`, home)
	f.exec(`UPDATE pending_deliveries SET created_at = now() - interval '8 days' WHERE home_region = $1 AND event_id <> 'evt_new_1'`, home)
	f.exec(`INSERT INTO inbox (home_region, consumer, event_id, created_at) SELECT $1, 'c', g::text, now() - interval '8 days' FROM generate_series(1, 600) g`, home)
	f.exec(`UPDATE inbox SET created_at = now() - interval '6 days' WHERE home_region = $1 AND consumer <> 'c'`, home)
	s := eventsql.NewSweeper(f.db, []event.Consumer{f.mail}) // what the search is owed is owed to nobody any more
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
	// Of the inbox 500 and 100; of deliveries those of the search but of the new event; of events old, old and gone.
	if diff := cmp.Diff([]int{500 + 3 + 3, 100}, steps); diff != "" {
		t.Error(diff)
	}
	want := []string{"mail of evt_due_1", "mail of evt_new_1", "mail of evt_pending_1", "search of evt_new_1"}
	if diff := cmp.Diff(want, f.pending()); diff != "" {
		t.Error(diff)
	}
	for table, want := range map[string]int{"outbox": 3, "inbox": 3} {
		if n := f.count(`SELECT count(*) FROM `+table+` WHERE home_region = $1`, home); n != want {
			t.Errorf("%d rows are left in %s, want %d", n, table, want)
		}
	}
	f.lint()
}

package orderredis_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/orderredis"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

const home regions.Name = "eu-west-1"

// feed returns one process's feed through a Redis.
func feed(t testing.TB, address string) *orderredis.Feed {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: address}}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f, err := orderredis.New(c, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// following is one who follows a feed.
type following struct {
	ready   chan struct{}
	changed chan string
	ended   chan error
}

func follow(t *testing.T, f *orderredis.Feed) following {
	t.Helper()
	w := following{ready: make(chan struct{}, 1), changed: make(chan string, 10), ended: make(chan error, 1)}
	go func() {
		w.ended <- f.Follow(t.Context(), func() { w.ready <- struct{}{} }, func(orderID string) { w.changed <- orderID })
	}()
	return w
}

func TestAChangeReachesEveryProcess(t *testing.T) {
	t.Parallel()
	address := redistest.Start(t).Address
	one, other := follow(t, feed(t, address)), follow(t, feed(t, address))
	<-one.ready
	<-other.ready
	feed(t, address).Publish(t.Context(), "ord_1")
	for _, f := range []following{one, other} {
		if got := <-f.changed; got != "ord_1" {
			t.Errorf("got %q", got)
		}
	}
}

// However Redis goes, who follows learns of it; and once it is back, they can follow again.
func TestALostRedisIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lose, mend func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Run},
		"hung":   {(*redistest.Server).Hang, (*redistest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			f := feed(t, server.Address)
			w := follow(t, f)
			<-w.ready
			c.lose(server)
			if err := <-w.ended; err == nil {
				t.Error("it was lost without an error")
			}
			f.Publish(t.Context(), "lost") // comes back, and nothing more can be said of it
			c.mend(server)
			for again := follow(t, f); ; again = follow(t, f) {
				select {
				case <-again.ready:
				case err := <-again.ended: // Redis is not back yet for this process
					t.Log(err)
					continue
				}
				break
			}
		})
	}
}

func TestNoRedisIsNoFeed(t *testing.T) {
	t.Parallel()
	f := feed(t, "")
	f.Publish(t.Context(), "ord_1")
	if err := <-follow(t, f).ended; err == nil {
		t.Error("a region without Redis was followed")
	}
}

// region is a database with orders that one process watches and another changes.
type region struct {
	t       testing.TB
	db      *sqldb.DB // of the process that changes orders
	store   *ordersql.Store
	feed    *orderredis.Feed // of the process that changes orders
	service *order.Service   // of the process that watches
}

// open returns a region. What the watching process asks of the database goes through watching.
func open(t testing.TB, address string, db, watching *sqldb.DB) *region {
	t.Helper()
	r := &region{t: t, db: db, store: ordersql.New(db), feed: feed(t, address)}
	store := ordersql.New(watching)
	watchers := order.NewWatchers(store, feed(t, address), regions.Default(), slog.New(slog.DiscardHandler))
	r.service = order.New(store, regions.Default(), watchers)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { watchers.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return r
}

// place adds n orders of u's, each without a line, which nothing here needs.
func (r *region) place(n int) []string {
	r.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = id.New(id.Order, "eu1")
	}
	_, err := r.db.Exec(r.t.Context(), `INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
		SELECT $1, id, 'u', id, 'pending_payment', '', 'EUR', 900, 1, now(), now() FROM unnest($2::text[]) AS o (id)`, home, ids)
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

// move changes an order as the payment room does, and publishes it.
func (r *region) move(orderID string, to order.State) {
	r.t.Helper()
	ctx := r.t.Context()
	err := r.db.InTx(ctx, func(tx sqldb.Tx) error {
		if to == order.Confirmed {
			return r.store.Confirm(ctx, tx, home, orderID, "pay")
		}
		return r.store.Fulfill(ctx, tx, home, orderID)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.feed.Publish(ctx, orderID)
}

// Orders change while Redis is killed, hung, and back, and each watcher sees its order through to the end, never
// backwards.
func TestWatchersOutliveRedis(t *testing.T) {
	t.Parallel()
	server, db := redistest.Start(t), sqltest.Open(t, nil)
	r := open(t, server.Address, db, db)
	ids := r.place(12)
	var watching sync.WaitGroup
	confirmed := make(chan string, len(ids))
	for _, orderID := range ids {
		watching.Go(func() {
			var seen []int64
			err := r.service.Watch(t.Context(), home, "u", orderID, func(o order.Order) error {
				if len(seen) > 0 && o.Version <= seen[len(seen)-1] {
					t.Errorf("%s: version %d after %v", orderID, o.Version, seen)
				}
				if seen = append(seen, o.Version); o.State == order.Confirmed {
					confirmed <- orderID
				}
				return nil
			})
			if err != nil || seen[len(seen)-1] != 3 {
				t.Errorf("%s: ended with %v after versions %v", orderID, err, seen)
			}
		})
	}
	faults := []func(){func() {}, server.Hang, server.Resume, server.Kill, server.Run, func() {}}
	for i, fault := range faults {
		fault()
		for _, orderID := range ids[i*len(ids)/len(faults) : (i+1)*len(ids)/len(faults)] {
			r.move(orderID, order.Confirmed)
			if got := <-confirmed; got != orderID {
				t.Errorf("%s was confirmed, and seen of %s", orderID, got)
			}
			r.move(orderID, order.Fulfilled)
		}
	}
	watching.Wait()
}

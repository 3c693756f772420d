package catalogcache_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// region is a region's catalog: its own Redis, and the database that all share.
type region struct {
	*catalogcache.Store
	t     testing.TB
	redis *redistest.Server
	cache *cache.Cache
	name  regions.Name
	sql   *catalogsql.Store
}

// shop returns the regions of a shop that sells tea at version 1. Their Redis is waited for however busy the machine is:
// who gives up reads past it, and the next one may then be told what is older.
func shop(t testing.TB, names ...regions.Name) []*region {
	t.Helper()
	return shopWithin(t, time.Minute, names...)
}

// shopWithin returns such regions, which wait so long for their Redis.
func shopWithin(t testing.TB, timeout time.Duration, names ...regions.Name) []*region {
	t.Helper()
	sql := catalogsql.New(sqltest.Open(t, nil), regions.Default(), clock.System())
	var out []*region
	for _, name := range names {
		r := &region{t: t, redis: redistest.Start(t), name: name, sql: sql}
		var err error
		if r.cache, err = cache.New(cache.Config{Redis: redis.Config{Address: r.redis.Address}, Timeout: timeout, LoadTimeout: time.Minute, Seed: 1}, prometheus.NewRegistry()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.cache.Close() })
		r.Store = catalogcache.New(sql, r.cache, func(context.Context, cache.Status) {})
		out = append(out, r)
	}
	out[0].put(750)
	return out
}

// listen runs the region's listener until stop is called or the test ends.
func (r *region) listen() (stop func()) {
	r.t.Helper()
	l, err := catalogcache.NewListener(r.name, r.sql, r.cache, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	r.t.Cleanup(stop)
	return stop
}

// put changes the price of tea.
func (r *region) put(minor int64) {
	r.t.Helper()
	if stored, err := r.Put(r.t.Context(), []catalog.Product{tea(0, minor)}); err != nil || stored.Changed != 1 {
		r.t.Fatalf("%d products changed, %v", stored.Changed, err)
	}
}

// price is what the region's callers are shown that tea costs.
func (r *region) price() int64 {
	r.t.Helper()
	p, err := r.Find(r.t.Context(), "tea")
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Variants[0].Prices[0].Minor
}

// until waits for a region's callers to be shown a price, and returns for how long they were not.
func (r *region) until(minor int64) time.Duration {
	r.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		switch took := time.Since(began); {
		case r.price() == minor:
			return took
		case took > 20*time.Second: // well before the entry's own life ends
			r.t.Fatalf("%s still sells tea at %d", r.name, r.price())
		}
	}
}

// eventuallyNotified waits until no region has a change to be notified of.
func (r *region) eventuallyNotified() {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		pending, err := r.sql.Pending(r.t.Context(), r.name, 1)
		if err == nil && len(pending) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s was not notified of %v (%v)", r.name, pending, err)
		}
	}
}

// A price that is committed in eu is seen in ap: from then on no reader there is shown the old one.
func TestChangeReachesAnotherRegion(t *testing.T) {
	t.Parallel()
	all := shop(t, "eu-west-1", "ap-southeast-1")
	eu, ap := all[0], all[1]
	eu.listen()
	ap.listen()
	for i := range int64(5) {
		if old := ap.price(); old != 750+i {
			t.Fatalf("ap sells at %d", old)
		}
		eu.put(751 + i)
		if now := eu.price(); now != 751+i {
			t.Errorf("eu, where it was committed, sells at %d", now)
		}
		t.Logf("from commit in eu to no stale read in ap: %s", ap.until(751+i))
		for range 20 {
			if now := ap.price(); now != 751+i {
				t.Errorf("and then at %d", now)
			}
		}
	}
}

// A region that was down when a product changed is notified once it is back: its Redis kept the old entry.
func TestRegionThatWasDownIsNotified(t *testing.T) {
	t.Parallel()
	all := shop(t, "eu-west-1", "ap-southeast-1")
	eu, ap := all[0], all[1]
	stop := ap.listen()
	if ap.price() != 750 {
		t.Fatal("ap has another price")
	}
	stop()
	eu.put(800)
	eu.put(900)
	if ap.price() != 750 {
		t.Fatal("the entry in ap is gone, so the test shows nothing")
	}
	ap.listen()
	ap.until(900)
}

// A Redis that hangs while a product changes is notified once it answers again, also where the change was made.
func TestRedisThatHungIsNotified(t *testing.T) {
	t.Parallel()
	eu := shopWithin(t, 250*time.Millisecond, "eu-west-1")[0]
	eu.price()
	eu.redis.Hang()
	eu.put(800)
	eu.listen()
	if eu.price() != 800 {
		t.Error("with Redis away, the database is asked")
	}
	eu.redis.Resume()
	for done := false; !done; { // from the first read on
		pending, err := eu.sql.Pending(t.Context(), eu.name, 1)
		done = err == nil && len(pending) == 0
		if now := eu.price(); now != 800 {
			t.Fatalf("eu sells at %d again", now)
		}
	}
}

func TestRegionWithoutRedisIsNotified(t *testing.T) {
	t.Parallel()
	eu := shop(t, "eu-west-1")[0]
	var err error
	if eu.cache, err = cache.New(cache.Config{LoadTimeout: time.Minute}, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	eu.put(800)
	eu.listen()
	eu.eventuallyNotified()
}

func TestListenerRegistersOnce(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	for i := range 2 {
		if _, err := catalogcache.NewListener("eu-west-1", nil, nil, nil, registry); (err != nil) != (i == 1) {
			t.Errorf("registration %d: %v", i+1, err)
		}
	}
}

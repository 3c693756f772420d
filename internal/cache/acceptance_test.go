package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

// This file holds the cache to what a region's shoppers are promised, on a real database and a real Redis. The
// same runs, longer and with a table of their times, are `make bench-cache`.

func TestMain(m *testing.M) { sqltest.Main(m) }

const products = 200

func handle(i int) string { return fmt.Sprintf("product-%03d", i%products) }

// database is a catalog.Store that counts and times the reads of single products.
type database struct {
	*catalogsql.Store
	mu   sync.Mutex
	took []time.Duration
}

// Find implements catalog.Store.
func (d *database) Find(ctx context.Context, handle string) (catalog.Product, error) {
	began := time.Now()
	p, err := d.Store.Find(ctx, handle)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took = append(d.took, time.Since(began))
	return p, err
}

// reads returns how long each read took since the last call.
func (d *database) reads() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	took := d.took
	d.took = nil
	return took
}

func openDatabase(t testing.TB) *database {
	t.Helper()
	d := &database{Store: catalogsql.New(sqltest.Open(t, nil), regions.Default(), clock.System())}
	all := make([]catalog.Product, products)
	for i := range all {
		all[i] = catalog.Product{Handle: handle(i), Title: "Tea", Active: true, Variants: []catalog.Variant{
			{SKU: handle(i), Prices: []money.Money{{Minor: 750, Currency: "EUR"}}},
		}}
	}
	if _, err := d.Put(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	return d
}

// asked returns how many reads there were since the last call of reads.
func (d *database) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.took)
}

// instance returns a process's cached catalog.
func instance(t testing.TB, d catalog.Store, redisAddress string, timeout time.Duration) *catalogcache.Store {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: redisAddress}, Timeout: timeout, LoadTimeout: time.Minute}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return catalogcache.New(d, c, func(context.Context, cache.Status) {})
}

// shopped is what a run of requests came to.
type shopped struct {
	mu     sync.Mutex
	failed int
	took   []time.Duration // of each request, from when it was due
}

// answered returns how many requests were answered so far.
func (out *shopped) answered() int {
	out.mu.Lock()
	defer out.mu.Unlock()
	return len(out.took)
}

// at returns the time that a share of sorted requests stays within.
func at(share float64, took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(share*float64(len(took))), len(took)-1)]
}

// browse sends requests at a rate until ctx ends, however long their answers take, each for another product.
func (out *shopped) browse(ctx context.Context, s catalog.Store, perSecond int) {
	var running sync.WaitGroup
	for i, began := 0, time.Now(); ctx.Err() == nil; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		_ = clock.Sleep(ctx, time.Until(due)) // the loop looks at ctx
		running.Go(func() {
			p, err := s.Find(context.WithoutCancel(ctx), handle(i*7))
			if err == nil && p.Handle != handle(i*7) {
				err = errors.New("another product")
			}
			took := time.Since(due)
			out.mu.Lock()
			defer out.mu.Unlock()
			out.took = append(out.took, took)
			if err != nil {
				out.failed++
			}
		})
	}
	running.Wait()
}

// stampede lets callers want one product at once, each of the next instance, and returns how long each waited.
func stampede(t testing.TB, instances []*catalogcache.Store, callers int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, callers)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(callers)
	for i := range callers {
		done.Go(func() {
			ready.Done()
			<-start
			began := time.Now()
			if p, err := instances[i%len(instances)].Find(t.Context(), handle(0)); err != nil || p.Handle != handle(0) {
				t.Errorf("Find = %+v, %v", p, err)
			}
			took[i] = time.Since(began)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return took
}

// stampedes are the ways in which a hot product's entry comes to be of no use, and how many database reads the
// stampede may then cost.
func stampedes() []struct {
	name      string
	instances int
	reads     int
	spoil     func(ctx context.Context, s *redistest.Server) error
} {
	const key = "product:product-000"
	expired := func(ctx context.Context, s *redistest.Server) error { return s.Client.Del(ctx, key).Err() }
	aged := func(ctx context.Context, s *redistest.Server) error {
		return s.Client.PExpire(ctx, key, 25*time.Second).Err() // 5 s of its 30 s of being stale
	}
	return []struct {
		name      string
		instances int
		reads     int
		spoil     func(ctx context.Context, s *redistest.Server) error
	}{
		{"expired, gone from Redis", 1, 1, expired},
		{"expired, still to be served stale", 1, 1, aged},
		{"expired, still to be served stale", 4, 1, aged},
		{"expired, gone from Redis", 4, 4, expired},
	}
}

func TestStampedeCostsOneRead(t *testing.T) {
	t.Parallel()
	const callers = 1000
	d, s := openDatabase(t), redistest.Start(t)
	var instances []*catalogcache.Store
	for range 4 {
		instances = append(instances, instance(t, d, s.Address, time.Minute))
	}
	for _, c := range stampedes() {
		if _, err := instances[0].Find(t.Context(), handle(0)); err != nil {
			t.Fatal(err)
		}
		d.reads()
		if err := c.spoil(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		stampede(t, instances[:c.instances], callers)
		if n := d.settle(); n < 1 || n > c.reads {
			t.Errorf("%s: %d callers of %d instances cost %d reads, want at most %d", c.name, callers, c.instances, n, c.reads)
		}
	}
}

// settle waits long enough for reads that should not be there, and returns how many there were.
func (d *database) settle() (n int) {
	for deadline := time.Now().Add(5 * time.Minute); n == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		n = len(d.reads())
	}
	time.Sleep(50 * time.Millisecond)
	return n + len(d.reads())
}

// troubles are what befalls Redis under load. None may fail a request.
func troubles() []struct {
	name   string
	befall func(*redistest.Server)
	heal   func(*redistest.Server)
} {
	none := func(*redistest.Server) {}
	return []struct {
		name   string
		befall func(*redistest.Server)
		heal   func(*redistest.Server)
	}{
		{"well", none, none},
		{"killed, then empty", (*redistest.Server).Kill, (*redistest.Server).Run},
		{"hung (SIGSTOP)", (*redistest.Server).Hang, (*redistest.Server).Resume},
	}
}

// under runs a load through a Redis that is in trouble for the middle third of it. wait is how long a third lasts.
func under(t testing.TB, d *database, perSecond int, befall, heal func(*redistest.Server), wait func(*shopped)) *shopped {
	t.Helper()
	s := redistest.Start(t)
	shop := instance(t, d, s.Address, 0)
	for i := range products {
		if _, err := shop.Find(t.Context(), handle(i)); err != nil {
			t.Fatal(err)
		}
	}
	d.reads()
	out := new(shopped)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var running sync.WaitGroup
	running.Go(func() { out.browse(ctx, shop, perSecond) })
	wait(out)
	befall(s)
	wait(out)
	heal(s)
	wait(out)
	end()
	running.Wait()
	return out
}

func TestRedisInTroubleFailsNobody(t *testing.T) {
	t.Parallel()
	d := openDatabase(t)
	for _, c := range troubles() {
		third := 0
		got := under(t, d, 200, c.befall, c.heal, func(out *shopped) {
			third++
			before, asked := out.answered(), d.asked()
			for deadline := time.Now().Add(5 * time.Minute); out.answered() < before+100 || third == 2 && c.name != "well" && d.asked() == asked; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: %d requests were answered, of which the database was asked %d", c.name, out.answered()-before, d.asked()-asked)
				}
			}
		})
		if got.failed > 0 {
			t.Errorf("%s: %d of %d requests failed", c.name, got.failed, len(got.took))
		}
	}
}

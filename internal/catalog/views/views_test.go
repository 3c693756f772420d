package views_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/views"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/regions"
)

const home regions.Name = "eu-west-1"

// ledger is a views.Ledger in memory.
type ledger struct {
	mu    sync.Mutex
	views map[string]int64
	last  string
	down  bool
	lost  int // answers that get lost although the views were added
}

var errDown = errors.New("down")

// AddViews implements views.Ledger.
func (l *ledger) AddViews(_ context.Context, region regions.Name, batch string, seen map[string]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || region != home || batch == "" {
		return errDown
	}
	if batch != l.last {
		for handle, n := range seen {
			l.views[handle] += n
		}
	}
	l.last = batch
	if l.lost > 0 {
		l.lost--
		return errDown
	}
	return nil
}

func (l *ledger) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

func (l *ledger) sum() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.views)
}

// count runs a process's counter until stop is called.
func count(t *testing.T, redisAddress string, l *ledger) (n *views.Counter, stop func()) {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: redisAddress}, Timeout: time.Minute}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if n, err = views.New(home, c, l, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	return n, func() { cancel(); running.Wait(); _ = c.Close() }
}

func eventually(t *testing.T, l *ledger, want map[string]int64) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got := l.sum()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(cmp.Diff(want, got))
		}
	}
}

// Two processes of a region count; the database, and its answers, come and go; nothing is lost or counted twice.
func TestViewsReachTheDatabase(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := &ledger{views: map[string]int64{}, lost: 1}
	here, stopHere := count(t, server.Address, l)
	there, stopThere := count(t, server.Address, l)
	defer stopThere()
	l.set(true)
	for range 10 {
		here.Note("tea")
		there.Note("tea")
		there.Note("pot")
	}
	stopHere() // orderly: what it counted is in Redis
	if n := server.Client.HGet(t.Context(), "counts:views", "tea").Val() + server.Client.HGet(t.Context(), "counts:views:batch", "tea").Val(); n == "" {
		t.Error("the process that ended left nothing")
	}
	l.set(false)
	want := map[string]int64{"tea": 20, "pot": 10}
	eventually(t, l, want)
	for deadline := time.Now().Add(5 * time.Minute); server.Client.Exists(t.Context(), "counts:views", "counts:views:batch").Val() > 0; time.Sleep(10 * time.Millisecond) {
		server.Client.Del(t.Context(), "counts:views:turn") // as after a Flush
		if time.Now().After(deadline) {
			t.Fatal("the batch never ends")
		}
	}
	eventually(t, l, want)
}

// A region whose Redis is lost goes on counting: past Redis after a while.
func TestRedisLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := &ledger{views: map[string]int64{}}
	n, stop := count(t, server.Address, l)
	server.Kill()
	for range 5 {
		n.Note("tea")
	}
	stop() // orderly, also without Redis
	if diff := cmp.Diff(map[string]int64{"tea": 5}, l.sum()); diff != "" {
		t.Error(diff)
	}
}

// Without Redis each process writes its own counts, once in a Flush.
func TestNoRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{views: map[string]int64{}}
		n, stop := count(t, "", l)
		defer stop()
		n.Note("tea")
		time.Sleep(views.Flush)
		if got := l.sum(); len(got) != 0 {
			t.Errorf("written at once: %v", got)
		}
		n.Note("tea")
		time.Sleep(2*views.Flush + 4*views.Gather)
		if diff := cmp.Diff(map[string]int64{"tea": 2}, l.sum()); diff != "" {
			t.Error(diff)
		}
	})
}

// shelf is a catalog.Store of one product.
type shelf struct {
	catalog.Store
	product catalog.Product
}

func (s shelf) Find(_ context.Context, handle string) (catalog.Product, error) {
	if handle != s.product.Handle {
		return catalog.Product{}, catalog.ErrNotFound
	}
	return s.product, nil
}

func TestWhatCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{views: map[string]int64{}}
		n, stop := count(t, "", l)
		for _, p := range []catalog.Product{{Handle: "tea", Active: true}, {Handle: "hidden"}} {
			s := views.Counted(shelf{product: p}, n)
			for _, handle := range []string{"tea", "hidden", "none"} {
				got, err := s.Find(t.Context(), handle)
				if (err == nil) != (handle == p.Handle) || (err == nil && got.Handle != handle) {
					t.Errorf("Find(%q) = %+v, %v", handle, got, err)
				}
			}
		}
		stop()
		if diff := cmp.Diff(map[string]int64{"tea": 1}, l.sum()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewRegistersOnce(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	c, err := cache.New(cache.Config{LoadTimeout: time.Minute}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := views.New(home, c, nil, nil, registry); (err != nil) != (i == 1) {
			t.Errorf("registration %d: %v", i+1, err)
		}
	}
}

package cache

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// expire makes an entry look as if its freshness had ended so long ago.
func (s server) expire(t *testing.T, key string, stale, ago time.Duration) {
	t.Helper()
	if err := s.Client.PExpire(t.Context(), key, stale-ago).Err(); err != nil {
		t.Fatal(err)
	}
}

var lasting = Life{Fresh: time.Minute, Stale: time.Hour}

func fetchLasting(ctx context.Context, c *Cache, load func(context.Context) (product, error)) (product, Status, error) {
	return Through(ctx, c, "hot", lasting, productCodec(), load)
}

func versionOf(version uint64) func(context.Context) (product, error) {
	return func(context.Context) (product, error) { return product{"hot", version}, nil }
}

func TestEarlyFollowsXFetch(t *testing.T) {
	t.Parallel()
	c := newCache(t, Config{Seed: 1})
	const draws = 20_000
	for _, want := range []struct {
		loadTime, fresh time.Duration
		share           float64 // P(loadTime · Exp(1) ≥ fresh) = e^(−fresh/loadTime)
	}{
		{time.Second, time.Second, math.Exp(-1)},
		{time.Second, 3 * time.Second, math.Exp(-3)},
		{time.Second, time.Minute, 0},
		{time.Millisecond, 500 * time.Microsecond, math.Exp(-.5)},
		{0, time.Millisecond, 0},
		{0, 0, 1},
		{time.Second, -time.Second, 1},
	} {
		early := 0
		for range draws {
			if c.early(want.loadTime, want.fresh) {
				early++
			}
		}
		if got := float64(early) / draws; math.Abs(got-want.share) > .02 {
			t.Errorf("a load of %s, fresh for %s: refreshed early by %.3f of the looks, want %.3f", want.loadTime, want.fresh, got, want.share)
		}
	}
}

// An entry that is still fresh is loaded anew before it is not, and no caller waits for it.
func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	e := entry{version: 1, stale: lasting.Stale, loadTime: time.Hour, payload: []byte(`{"Handle":"hot","Version":1}`)}
	if _, err := c.store(t.Context(), "hot", "", e, 30*time.Second); err != nil { // so slow a load begins long before the end
		t.Fatal(err)
	}
	if p, status, err := fetchLasting(t.Context(), c, versionOf(2)); err != nil || p.Version != 1 || status.Outcome != Hit || status.TTL > 33*time.Second {
		t.Errorf("fetch = %+v %+v %v, want the old value, fresh", p, status, err)
	}
	eventually(t, "the new value is there", func() bool {
		p, status, err := fetchLasting(t.Context(), c, versionOf(2))
		return err == nil && p.Version == 2 && status.Outcome == Hit && status.TTL > 50*time.Second
	})
}

// The stampede on a hot key whose freshness has ended: every caller is served at once and the region loads once.
func TestStaleStampedeLoadsOnce(t *testing.T) {
	t.Parallel()
	const callers, processes = 1000, 4
	s := startRedis(t)
	var caches []*Cache
	for range processes {
		caches = append(caches, newCache(t, Config{Redis: redis.Config{Address: s.Address}, Timeout: time.Minute, LoadTimeout: time.Minute, Seed: 1}))
	}
	if _, _, err := fetchLasting(t.Context(), caches[0], versionOf(1)); err != nil {
		t.Fatal(err)
	}
	s.expire(t, "hot", lasting.Stale, 5*time.Second)
	var loads, stale atomic.Int32
	served := make(chan struct{})
	load := func(context.Context) (product, error) {
		loads.Add(1)
		<-served // the load ends after every caller was served
		return product{"hot", 2}, nil
	}
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			p, status, err := fetchLasting(t.Context(), caches[i%processes], load)
			if err != nil || p.Version != 1 {
				t.Errorf("fetch = %+v %v", p, err)
			}
			if status.Outcome == Stale && status.TTL < -4*time.Second {
				stale.Add(1)
			}
		})
	}
	calling.Wait()
	close(served)
	eventually(t, "the new value is there", func() bool {
		p, _, err := fetchLasting(t.Context(), caches[1], load)
		return err == nil && p.Version == 2
	})
	if n := loads.Load(); n != 1 || stale.Load() != callers {
		t.Errorf("%d loads and %d stale answers for %d callers of %d processes, want 1 and all", n, stale.Load(), callers, processes)
	}
}

// A load that fails leaves the old value to be served, and is not repeated by every caller.
func TestRefreshFails(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := newCache(t, Config{Redis: redis.Config{Address: s.Address}, Timeout: time.Minute, LoadTimeout: time.Minute, Seed: 1})
	if _, _, err := fetchLasting(t.Context(), c, versionOf(1)); err != nil {
		t.Fatal(err)
	}
	s.expire(t, "hot", lasting.Stale, time.Second)
	var loads atomic.Int32
	failing := func(context.Context) (product, error) {
		loads.Add(1)
		return product{}, errors.New("the database is away")
	}
	eventually(t, "a refresh fails", func() bool {
		if p, status, err := fetchLasting(t.Context(), c, failing); err != nil || p.Version != 1 || status.Outcome != Stale {
			t.Fatalf("fetch = %+v %+v %v, want the old value", p, status, err)
		}
		return value(c.metrics.refreshes.WithLabelValues("failed")) > 0
	})
	for range 50 {
		if _, _, err := fetchLasting(t.Context(), c, failing); err != nil {
			t.Fatal(err)
		}
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads within the claim's life, want 1", n)
	}
	s.Client.Del(t.Context(), "hot") // its life ends
	if _, _, err := fetchLasting(t.Context(), c, failing); err == nil {
		t.Error("a value outlived its life")
	}
}

// A refresh that began before an invalidation brings back nothing.
func TestInvalidateDuringRefresh(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	if _, _, err := fetchLasting(t.Context(), c, versionOf(1)); err != nil {
		t.Fatal(err)
	}
	s.expire(t, "hot", lasting.Stale, time.Second)
	loading, changed := make(chan struct{}), make(chan struct{})
	if _, status, err := fetchLasting(t.Context(), c, func(context.Context) (product, error) {
		close(loading)
		<-changed
		return product{"hot", 1}, nil
	}); err != nil || status.Outcome != Stale {
		t.Fatalf("%+v %v", status, err)
	}
	<-loading
	if err := c.Invalidate(t.Context(), "hot"); err != nil {
		t.Fatal(err)
	}
	close(changed)
	eventually(t, "the refresh is over", func() bool { return value(c.metrics.refreshes.WithLabelValues("done")) == 1 })
	if p, status, err := fetchLasting(t.Context(), c, versionOf(2)); err != nil || p.Version != 2 || status.Outcome != Miss {
		t.Errorf("fetch = %+v %+v %v, want a miss", p, status, err)
	}
}

// What may not be served stale is not: its life ends with its freshness.
func TestNoStaleByDefault(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	life := time.Duration(0)
	eventually(t, "there is an entry", func() bool { // a busy machine can make Redis too slow for one fetch
		if _, _, err := fetchProduct(t.Context(), c, "a", 1); err != nil {
			t.Fatal(err)
		}
		life = s.Client.PTTL(t.Context(), "product:a").Val()
		return life > 0
	})
	if life > 66*time.Second {
		t.Errorf("the entry lives for %s", life)
	}
	if err := s.Client.PExpire(t.Context(), "product:a", time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the entry ends", func() bool {
		n, err := s.Client.Exists(t.Context(), "product:a").Result()
		return err == nil && n == 0
	})
	eventually(t, "nothing is served of it", func() bool {
		_, status, err := fetchProduct(t.Context(), c, "a", 2)
		return err == nil && status.Outcome == Miss
	})
}

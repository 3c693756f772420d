package cache

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/redis"
)

// This file's tests run against a real redis-server.

func TestMissHitInvalidate(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	here, there := s.cache(t), s.cache(t) // two processes of a region
	for _, step := range []struct {
		c       *Cache
		loads   uint64 // the version that the database has
		want    uint64
		outcome Outcome
	}{
		{here, 1, 1, Miss},
		{here, 2, 1, Hit},
		{there, 2, 1, Hit},
	} {
		p, status, err := fetchProduct(t.Context(), step.c, "a", step.loads)
		if err != nil || p.Version != step.want || status.Outcome != step.outcome || status.Stored != (step.outcome == Miss) {
			t.Fatalf("fetch = %+v %+v %v, want version %d by %s", p, status, err, step.want, step.outcome)
		}
	}
	life := s.Client.PTTL(t.Context(), "product:a").Val()
	if life < 50*time.Second || life > 66*time.Second {
		t.Errorf("the entry lives for %s, want about a minute", life)
	}
	if err := there.Invalidate(t.Context(), "product:a", "product:never-fetched"); err != nil {
		t.Fatal(err)
	}
	if p, status, err := fetchProduct(t.Context(), here, "a", 2); err != nil || p.Version != 2 || status.Outcome != Miss || !status.Stored {
		t.Errorf("after the invalidation: %+v %+v %v, want version 2 by miss, stored", p, status, err)
	}
	if hits, misses := fetches(here, Hit), fetches(here, Miss); hits != 1 || misses != 2 {
		t.Errorf("counted %d hits and %d misses, want 1 and 2", hits, misses)
	}
}

func TestInvalidateMany(t *testing.T) {
	t.Parallel()
	c := startRedis(t).cache(t)
	keys := make([]string, 2*invalidateBatch+1)
	for i := range keys {
		keys[i] = "product:" + key(i)
	}
	for _, i := range []int{0, len(keys) - 1} {
		if _, status, err := fetchProduct(t.Context(), c, key(i), 1); err != nil || !status.Stored {
			t.Fatalf("fetch = %+v %v", status, err)
		}
	}
	if err := c.Invalidate(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, len(keys) - 1} {
		if p, _, err := fetchProduct(t.Context(), c, key(i), 2); err != nil || p.Version != 2 {
			t.Errorf("%s: %+v %v, want version 2", key(i), p, err)
		}
	}
}

func TestStampedeLoadsOnce(t *testing.T) {
	t.Parallel()
	const callers = 500
	c := startRedis(t).cache(t)
	var loads, collapsed atomic.Int32
	var calling, done sync.WaitGroup
	calling.Add(callers)
	for range callers {
		done.Go(func() {
			calling.Done()
			p, status, err := Through(t.Context(), c, "hot", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
				loads.Add(1)
				calling.Wait() // the load is slower than the last caller's arrival
				return product{"hot", 1}, nil
			})
			if err != nil || p.Version != 1 {
				t.Errorf("fetch = %+v %v", p, err)
			}
			if status.Collapsed {
				collapsed.Add(1)
			}
		})
	}
	done.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads for %d callers, want 1", n, callers)
	}
	if collapsed.Load() == 0 {
		t.Error("nobody joined the flight")
	}
}

// TestOldFill: a load reads version 1 and is slow; meanwhile another process learns of version 2. Whatever
// way it learns of it, version 1 must not be kept.
func TestOldFill(t *testing.T) {
	t.Parallel()
	for name, overtake := range map[string]func(t *testing.T, other *Cache){
		"newer version filled": func(t *testing.T, other *Cache) {
			if _, status, err := fetchProduct(t.Context(), other, "a", 2); err != nil || !status.Stored {
				t.Errorf("newer fill: %+v %v", status, err)
			}
		},
		"invalidated": func(t *testing.T, other *Cache) {
			if err := other.Invalidate(t.Context(), "product:a"); err != nil {
				t.Error(err)
			}
		},
		"invalidated twice and filled": func(t *testing.T, other *Cache) {
			for range 2 {
				if err := other.Invalidate(t.Context(), "product:a"); err != nil {
					t.Error(err)
				}
			}
			if _, status, err := fetchProduct(t.Context(), other, "a", 2); err != nil || !status.Stored {
				t.Errorf("newer fill: %+v %v", status, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			slow, other := s.cache(t), s.cache(t)
			p, status, err := Through(t.Context(), slow, "product:a", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
				overtake(t, other)
				return product{"a", 1}, nil
			})
			if err != nil || p.Version != 1 || status.Stored {
				t.Errorf("the slow fetch = %+v %+v %v, want version 1, not stored", p, status, err)
			}
			if p, _, err := fetchProduct(t.Context(), slow, "a", 2); err != nil || p.Version != 2 {
				t.Errorf("afterwards: %+v %v, want version 2", p, err)
			}
		})
	}
}

// TestFillsNeverGoBack drives looks, fills and invalidations of several processes in every order: once an
// invalidation is done, no look finds an older version than the one it announced, and entries never go back.
func TestFillsNeverGoBack(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	type pending struct {
		seen    string
		version uint64
	}
	rapid.Check(t, func(t *rapid.T) {
		s.Client.FlushAll(context.Background())
		version, announced, found := uint64(math.MaxInt64-2), uint64(0), uint64(0) // beyond what a float holds exactly
		var loads []pending
		t.Repeat(map[string]func(*rapid.T){
			"look and load": func(t *rapid.T) {
				seen, err := c.look(context.Background(), "k")
				if err != nil {
					t.Fatal(err)
				}
				loads = append(loads, pending{seen.raw, version})
			},
			"fill": func(t *rapid.T) {
				if len(loads) == 0 {
					t.Skip("no load under way")
				}
				i := rapid.IntRange(0, len(loads)-1).Draw(t, "load")
				l := loads[i]
				loads = append(loads[:i], loads[i+1:]...)
				if _, err := c.store(context.Background(), "k", l.seen, entry{version: l.version, payload: []byte(encodeVersion(l.version))}, time.Minute); err != nil {
					t.Fatal(err)
				}
			},
			"change": func(*rapid.T) { version++ },
			"invalidate": func(t *rapid.T) {
				if err := c.Invalidate(context.Background(), "k"); err != nil {
					t.Fatal(err)
				}
				announced, found = version, 0
			},
			"": func(t *rapid.T) {
				seen, err := c.look(context.Background(), "k")
				if err != nil {
					t.Fatal(err)
				}
				if !seen.found {
					return
				}
				payload := seen.entry.payload
				if string(payload) < encodeVersion(max(announced, found)) {
					t.Fatalf("found version %s after %x was announced and %x found", payload, announced, found)
				}
				found = max(announced, found)
			},
		})
	})
}

func TestUnusableEntries(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	for name, raw := range map[string]string{
		"garbage": "garbage", "short": "E12", "not JSON": entry{version: 1, payload: []byte("{")}.encode(),
	} {
		s.Client.Set(t.Context(), "product:a", raw, 0)
		if p, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || p.Version != 1 || status.Outcome != Miss || !status.Stored {
			t.Errorf("%s: fetch = %+v %+v %v, want a miss that repairs the entry", name, p, status, err)
		}
		if _, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || status.Outcome != Hit {
			t.Errorf("%s: afterwards %+v %v, want a hit", name, status, err)
		}
	}
	if n := failures(c, "decode"); n != 3 {
		t.Errorf("%d decode errors counted, want 3", n)
	}
	s.Client.Del(t.Context(), "product:a")
	s.Client.LPush(t.Context(), "product:a", "a list")
	if p, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || p.Version != 1 || status.Outcome != Bypass {
		t.Errorf("a list: fetch = %+v %+v %v, want a bypass", p, status, err)
	}
}

// load keeps callers fetching until stop is called, which returns how many fetches there were.
func load(t *testing.T, c *Cache) (stop func() int) {
	t.Helper()
	var count atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if p, _, err := fetchProduct(t.Context(), c, key(caller*100+i%100), 1); err != nil || p.Version != 1 {
					t.Errorf("fetch = %+v %v", p, err)
					return
				}
				count.Add(1)
				time.Sleep(time.Millisecond) // the machine is shared
			}
		})
	}
	return func() int {
		cancel()
		callers.Wait()
		return int(count.Load())
	}
}

func (s server) impatientCache(t *testing.T) *Cache {
	t.Helper()
	return newCache(t, Config{Redis: redis.Config{Address: s.Address}, LoadTimeout: time.Minute})
}

// TestRedisDies: Redis is killed under load and comes back empty. No fetch fails; fetches bypass it and return.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.impatientCache(t)
	stop := load(t, c)
	eventually(t, "fetches hit", func() bool { return fetches(c, Hit) > 50 })
	s.Kill()
	eventually(t, "the breaker opens", func() bool { return c.redis.State() == 2 })
	bypasses := fetches(c, Bypass)
	eventually(t, "fetches bypass", func() bool { return fetches(c, Bypass) > bypasses+50 })
	if err := c.Invalidate(t.Context(), "product:"+key(1)); err == nil {
		t.Error("an invalidation that reached nobody succeeded")
	}
	s.Run()
	hits := fetches(c, Hit)
	eventually(t, "fetches hit again", func() bool { return fetches(c, Hit) > hits+50 })
	if stop() == 0 {
		t.Error("nothing was fetched")
	}
}

// TestRedisHangs: Redis stops answering while its connections stay open. No fetch fails, and no more of them
// wait for it than the breaker lets through.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.impatientCache(t)
	stop := load(t, c)
	eventually(t, "fetches hit", func() bool { return fetches(c, Hit) > 50 })
	s.Hang()
	eventually(t, "the breaker opens", func() bool { return c.redis.State() != 0 })
	before, begin := failures(c, "look")+failures(c, "fill"), time.Now()
	bypasses := fetches(c, Bypass)
	eventually(t, "fetches bypass", func() bool { return fetches(c, Bypass) > bypasses+200 })
	waited := failures(c, "look") + failures(c, "fill") - before
	// One probe a second, and one command of each caller that began before the breaker opened.
	if allowed := 2 + 4 + int(time.Since(begin)/breakerCooldown); waited > allowed {
		t.Errorf("%d commands waited for a hung Redis, want at most %d", waited, allowed)
	}
	s.Resume()
	hits := fetches(c, Hit)
	eventually(t, "fetches hit again", func() bool { return fetches(c, Hit) > hits+50 })
	stop()
}

// TestHealedRedisBringsNothingBack: Redis hangs with an old entry, and goes on with it. Whatever a process has read
// meanwhile, or could not invalidate, it reads from then on; what it knows nothing of, Redis still has.
func TestHealedRedisBringsNothingBack(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(c *Cache){
		"read":            func(c *Cache) { _, _, _ = fetchProduct(t.Context(), c, "a", 2) },
		"not invalidated": func(c *Cache) { _ = c.Invalidate(t.Context(), "product:a") },
		"read, then not invalidated": func(c *Cache) {
			_, _, _ = fetchProduct(t.Context(), c, "a", 1)
			_ = c.Invalidate(t.Context(), "product:a")
		},
		"read past it": func(c *Cache) {
			Write(t.Context(), c, "product:a", Life{Fresh: time.Minute}, productCodec(), product{"a", 2})
		},
	} {
		s := startRedis(t)
		c := s.impatientCache(t)
		for _, key := range []string{"a", "b"} {
			eventually(t, "the old value is kept", func() bool {
				_, status, err := fetchProduct(t.Context(), c, key, 1)
				return err == nil && status.Outcome == Hit
			})
		}
		s.Hang()
		meanwhile(c)
		s.Resume()
		eventually(t, "Redis is back", func() bool {
			if p, _, err := fetchProduct(t.Context(), c, "a", 2); err != nil || p.Version != 2 {
				t.Errorf("%s: version %d is back (%v)", name, p.Version, err)
				return true
			}
			_, status, err := fetchProduct(t.Context(), c, "b", 2)
			return err == nil && status.Outcome == Hit
		})
		eventually(t, "the new value is kept", func() bool {
			p, status, err := fetchProduct(t.Context(), c, "a", 3)
			return err == nil && (p.Version == 3 || status.Outcome == Hit && p.Version == 2)
		})
		if n := c.floors.of.Len(); n > 1 {
			t.Errorf("%s: %d keys are remembered", name, n)
		}
	}
}

// TestFloors: a load that began before a change does not have its value believed.
func TestFloors(t *testing.T) {
	t.Parallel()
	f := newFloors()
	step := func(want uint64) {
		t.Helper()
		if got := f.get("a"); got != want {
			t.Fatalf("floor %d, want %d", got, want)
		}
	}
	f.loaded("a", 0, 7, false)
	step(7)
	f.loaded("a", 7, 8, true) // Redis has it
	step(0)
	f.raise([]string{"a"})
	f.loaded("a", 0, 7, false) // it began before
	f.loaded("a", 0, 7, true)
	step(nothing)
	f.loaded("a", nothing, 9, false)
	step(9)
	f.loaded("a", 9, 3, false) // the database was restored
	step(3)
	f.lower([]string{"a"})
	step(0)
}

func TestNeverThere(t *testing.T) {
	t.Parallel()
	c := newCache(t, Config{Redis: redis.Config{Address: nettest.Address(t)}})
	for i := range 50 {
		if p, status, err := fetchProduct(t.Context(), c, key(i), 1); err != nil || p.Version != 1 || status.Outcome != Bypass {
			t.Fatalf("fetch = %+v %+v %v, want a bypass", p, status, err)
		}
	}
	if n := failures(c, "look"); n < breakerFailures {
		t.Errorf("%d look errors, want the %d that open the breaker", n, breakerFailures)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	c := startRedis(t).cache(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || status.Outcome != Bypass {
		t.Errorf("fetch = %+v %v, want a bypass", status, err)
	}
}

// What was written past the cache replaces what is older there, and never what is newer.
func TestWrite(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.cache(t)
	write := func(version uint64) bool {
		return Write(t.Context(), c, "product:a", Life{Fresh: time.Minute}, productCodec(), product{"a", version})
	}
	for _, step := range []struct {
		version uint64
		written bool
		want    uint64
	}{
		{2, true, 2},
		{3, true, 3},
		{2, false, 3}, // a late write of an older version
	} {
		if written := write(step.version); written != step.written {
			t.Errorf("version %d was written: %t", step.version, written)
		}
		p, status, err := fetchProduct(t.Context(), c, "a", 9)
		if err != nil || p.Version != step.want || status.Outcome != Hit {
			t.Errorf("after version %d: %+v %+v %v, want version %d by hit", step.version, p, status, err, step.want)
		}
	}
	s.Kill()
	if write(5) {
		t.Error("without Redis a write went through")
	}
}

package quota

import (
	"context"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five minutes: %s", what)
		}
	}
}

// patient is a configuration that tolerates a busy machine.
func patient(s *redistest.Server) Config { return at(s.Address, 5*time.Second) }

func at(address string, timeout time.Duration) Config {
	return Config{Redis: redis.Config{Address: address}, Timeout: timeout}
}

// TestRegionalIsShared: the edges of a region admit together what one may.
func TestRegionalIsShared(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := newPolicy(t, "p", 10, 10*time.Hour) // none comes back within the test
	edges := []*Buckets{newBuckets(t, patient(s)), newBuckets(t, patient(s)), newBuckets(t, patient(s))}
	var mu sync.Mutex
	var wg sync.WaitGroup
	admitted := 0
	for _, b := range edges {
		for range 8 {
			wg.Go(func() {
				if b.TakeRegional(t.Context(), p, ByUser("u")).Allowed {
					mu.Lock()
					defer mu.Unlock()
					admitted++
				}
			})
		}
	}
	wg.Wait()
	if admitted != 10 {
		t.Errorf("%d of 24 were admitted, want 10", admitted)
	}
	v := edges[0].TakeRegional(t.Context(), p, ByUser("u"))
	if v.Allowed || v.RetryAfter < 59*time.Minute || v.RetryAfter > time.Hour || v.Remaining != 0 {
		t.Errorf("the eleventh: %+v, want a refusal for most of an hour", v)
	}
	if !edges[0].TakeRegional(t.Context(), p, ByUser("another")).Allowed {
		t.Error("another user was refused")
	}
	if ttl := s.Client.PTTL(t.Context(), "admission:p:u").Val(); ttl < 9*time.Hour || ttl > 10*time.Hour {
		t.Errorf("the region's bucket lives %s, want until it is full", ttl)
	}
}

// TestScriptRefills: the script's clock is Redis's own.
func TestScriptRefills(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b, p := newBuckets(t, patient(s)), newPolicy(t, "p", 1, 50*time.Millisecond)
	eventually(t, "a request was admitted, refused and admitted again", func() bool {
		first := b.TakeRegional(t.Context(), p, ByUser("u")).Allowed
		second := b.TakeRegional(t.Context(), p, ByUser("u")).Allowed
		if !first || second {
			return false
		}
		eventually(t, "one came back", func() bool { return b.TakeRegional(t.Context(), p, ByUser("u")).Allowed })
		return true
	})
}

// TestTakeIsSharedLater: what one edge admitted without asking counts at another once both have shared.
func TestTakeIsSharedLater(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := newPolicy(t, "p", 100, 100*time.Hour)
	one, two := newBuckets(t, patient(s)), newBuckets(t, patient(s))
	for range 10 {
		one.Take(p, ByUser("light"))
	}
	for range 60 {
		one.Take(p, ByUser("heavy"))
		two.Take(p, ByUser("heavy"))
	}
	one.share(t.Context())
	two.share(t.Context())
	if v := two.Take(p, ByUser("heavy")); v.Allowed {
		t.Errorf("after 120 of 100 requests at two edges: %+v", v)
	}
	if n := s.Client.Exists(t.Context(), "admission:p:light").Val(); n != 0 {
		t.Error("a bucket that is hardly used was shared")
	}
	if v := two.Take(p, ByUser("light")); v.Remaining != 99 {
		t.Errorf("another user: %+v", v)
	}
	// Forced charges leave a bucket empty, not in debt.
	if ttl := s.Client.PTTL(t.Context(), "admission:p:heavy").Val(); ttl > 100*time.Hour {
		t.Errorf("the region's bucket is full in %s, want at most its window", ttl)
	}
}

func TestRunShares(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := newPolicy(t, "p", 4, 100*time.Hour)
	b := newBuckets(t, patient(s))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Run(ctx) })
	b.Take(p, ByAddress(netip.MustParseAddr("192.0.2.1")))
	eventually(t, "the region's bucket is there", func() bool {
		return s.Client.Exists(t.Context(), "admission:p:192.0.2.1").Val() == 1
	})
	cancel()
	wg.Wait()
	newBuckets(t, Config{}).Run(ctx) // without Redis there is nothing to run
}

// TestRedisGone: with Redis killed, then hung, every caller still gets its quota, and no more, and soon nobody
// waits.
func TestRedisGone(t *testing.T) {
	t.Parallel()
	for name, befall := range map[string]func(*redistest.Server){"killed": (*redistest.Server).Kill, "hung": (*redistest.Server).Hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			p := newPolicy(t, "p", 5, 100*time.Hour)
			b := newBuckets(t, at(s.Address, 20*time.Millisecond))
			b.TakeRegional(t.Context(), p, ByUser("before"))
			befall(s)
			for i := range 40 {
				key := ByUser(strconv.Itoa(i))
				for n := range 6 {
					if v := b.TakeRegional(t.Context(), p, key); v.Allowed != (n < 5) {
						t.Fatalf("request %d of caller %d: %+v", n+1, i, v)
					}
				}
				b.Take(p, ByUser("shared"))
			}
			b.share(t.Context())
			if !b.Take(p, ByUser("another")).Allowed {
				t.Error("a caller was refused")
			}
			if n := metric(t, b, "skipped"); n < 100 {
				t.Errorf("%v of 200 questions were skipped, want most", n)
			}
		})
	}
}

// TestRedisReturns: after the breaker's pause the region counts together again.
func TestRedisReturns(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := newPolicy(t, "p", 1000, 100*time.Hour)
	b := newBuckets(t, at(s.Address, 200*time.Millisecond))
	s.Hang()
	eventually(t, "the breaker opened", func() bool {
		b.TakeRegional(t.Context(), p, ByUser("u"))
		return metric(t, b, "skipped") > 0
	})
	s.Resume()
	answered := metric(t, b, "answered")
	eventually(t, "Redis is asked again", func() bool {
		b.TakeRegional(t.Context(), p, ByUser("u"))
		return metric(t, b, "answered") > answered
	})
}

func BenchmarkTakeRegional(b *testing.B) {
	addr := os.Getenv("MERIDIAN_BENCH_REDIS")
	if addr == "" {
		b.Skip("set MERIDIAN_BENCH_REDIS to host:port")
	}
	buckets, p := newBuckets(b, at(addr, 0)), newPolicy(b, "bench", 1e9, time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		buckets.TakeRegional(b.Context(), p, ByUser("u"))
	}
}

func metric(t *testing.T, b *Buckets, result string) float64 {
	t.Helper()
	var m dto.Metric
	if err := b.region.questions.WithLabelValues(result).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

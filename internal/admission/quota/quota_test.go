package quota

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

func newBuckets(t testing.TB, cfg Config) *Buckets {
	t.Helper()
	b, err := New(cfg, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func newPolicy(t testing.TB, name string, quota int, window time.Duration) *Policy {
	t.Helper()
	p, err := NewPolicy(name, quota, window)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		quota  int
		window time.Duration
	}{{0, time.Second}, {-1, time.Second}, {1, 0}, {2, 1}} {
		if _, err := NewPolicy("x", c.quota, c.window); err == nil {
			t.Errorf("NewPolicy accepted %d in %s", c.quota, c.window)
		}
	}
	for _, cfg := range []Config{{Capacity: -1}, {Timeout: -1}} {
		if _, err := New(cfg, nil); err == nil {
			t.Errorf("New accepted %+v", cfg)
		}
	}
	registry := prometheus.NewRegistry()
	if _, err := New(Config{}, registry); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{}, registry); err == nil {
		t.Error("two sets of buckets registered the same metrics")
	}
}

// TestTake is a bucket of 4 that refills one in 250 ms.
func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, p := newBuckets(t, Config{}), newPolicy(t, "p", 4, time.Second)
		for i, step := range []struct {
			wait       time.Duration
			allowed    bool
			remaining  int
			reset      time.Duration
			retryAfter time.Duration
		}{
			{0, true, 3, 250 * time.Millisecond, 0},
			{0, true, 2, 500 * time.Millisecond, 0},
			{0, true, 1, 750 * time.Millisecond, 0},
			{0, true, 0, time.Second, 0},
			{0, false, 0, time.Second, 250 * time.Millisecond},
			{100 * time.Millisecond, false, 0, 900 * time.Millisecond, 150 * time.Millisecond},
			{150 * time.Millisecond, true, 0, time.Second, 0},
			{time.Second, true, 3, 250 * time.Millisecond, 0},
			{time.Hour, true, 3, 250 * time.Millisecond, 0},
		} {
			time.Sleep(step.wait)
			got := b.Take(p, ByUser("u"))
			if want := (Verdict{p, step.allowed, step.remaining, step.reset, step.retryAfter}); got != want {
				t.Errorf("step %d: %+v, want %+v", i, got, want)
			}
		}
		if got := b.Take(p, ByUser("other")); got.Remaining != 3 {
			t.Errorf("another user's bucket: %+v", got)
		}
		if got := b.Take(newPolicy(t, "q", 4, time.Second), ByUser("u")); got.Remaining != 3 {
			t.Errorf("another policy's bucket: %+v", got)
		}
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1", true},
	} {
		if got := ByAddress(netip.MustParseAddr(c.a)) == ByAddress(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s and %s share a bucket: %t, want %t", c.a, c.b, got, c.same)
		}
	}
	if ByUser("a").String() != "a" || ByAddress(netip.MustParseAddr("2001:db8::1")).String() != "2001:db8::" {
		t.Error("the names of keys in Redis changed")
	}
	if got, want := newPolicy(t, "user", 100, 1500*time.Millisecond).Header(), `"user";q=100;w=2`; got != want {
		t.Errorf("Header = %s, want %s", got, want)
	}
}

// TestModel holds buckets to a reference: a level that grows with time up to its capacity.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quota := rapid.IntRange(1, 20).Draw(t, "quota")
		p, err := NewPolicy("p", quota, time.Duration(quota*rapid.IntRange(1, 1e6).Draw(t, "interval")))
		if err != nil {
			t.Fatal(err)
		}
		var bucket bucket
		var now int64
		level, capacity := p.tolerance, p.tolerance
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			passed := rapid.Int64Range(0, 2*p.interval).Draw(t, "passed")
			now += passed
			level = min(capacity, level+passed)
			want := level >= p.interval
			if want {
				level -= p.interval
			}
			got := bucket.take(p, now)
			if got.Allowed != want || got.Remaining != int(level/p.interval) || int64(got.Reset) != capacity-level {
				t.Fatalf("at %d: %+v, want allowed %t with a level of %d", now, got, want, level)
			}
			if wait := p.interval - level; !want && int64(got.RetryAfter) != wait {
				t.Fatalf("at %d: retry after %d, want %d", now, got.RetryAfter, wait)
			}
		}
	})
}

// TestConcurrentTake: however many take at a time, no more than the quota get one.
func TestConcurrentTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, p := newBuckets(t, Config{}), newPolicy(t, "p", 100, time.Minute)
		admitted := make(chan bool, 1000)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 50 {
					admitted <- b.Take(p, ByUser("u")).Allowed
				}
			})
		}
		wg.Wait()
		close(admitted)
		n := 0
		for ok := range admitted {
			if ok {
				n++
			}
		}
		if n != 100 {
			t.Errorf("%d of 500 were admitted, want 100", n)
		}
	})
}

// TestMemoryIsBounded: buckets that are used stay, of the others only the newest.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, capacity := range []int{1, 5, 100, 5000} {
			b, p := newBuckets(t, Config{Capacity: capacity}), newPolicy(t, "p", 1e6, time.Hour)
			for i := range 1000 {
				b.Take(p, ByUser(strconv.Itoa(i)))
				if got := b.Take(p, ByUser("busy")); capacity >= 100 && got.Remaining != 1e6-1-i {
					t.Fatalf("capacity %d: after %d keys the busy one's bucket was forgotten", capacity, i)
				}
			}
			if n := b.local.size(); n > capacity || capacity >= 5000 && n != 1001 {
				t.Errorf("capacity %d: %d buckets", capacity, n)
			}
		}
	})
}

func BenchmarkTake(b *testing.B) {
	buckets, p := newBuckets(b, Config{}), newPolicy(b, "p", 1e9, time.Second)
	keys := make([]Key, 4096)
	for i := range keys {
		keys[i] = ByAddress(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(len(keys)); pb.Next(); i++ {
			buckets.Take(p, keys[i%len(keys)])
		}
	})
}

package cache

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// This file's tests need no Redis: a region without one, and rules that Redis plays no part in.

func TestNewRejects(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if _, err := New(Config{}, registry); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{}, registry); err == nil {
		t.Error("a second cache registered the same metrics")
	}
	for _, cfg := range []Config{{Timeout: -1}, {LoadTimeout: -1}, {LoadLimit: -1}} {
		if _, err := New(cfg, prometheus.NewRegistry()); err == nil {
			t.Errorf("New accepted %+v", cfg)
		}
	}
}

func TestStatusHeader(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Status{
		`"Redis"; hit; ttl=29`:                     {Outcome: Hit, TTL: 29*time.Second + 999*time.Millisecond},
		`"Redis"; hit; ttl=0; collapsed`:           {Outcome: Hit, TTL: time.Millisecond, Collapsed: true},
		`"Redis"; hit; ttl=-1; detail=stale`:       {Outcome: Stale, TTL: -time.Millisecond},
		`"Redis"; hit; ttl=-412; detail=stale`:     {Outcome: Stale, TTL: -412 * time.Second},
		`"Redis"; fwd=uri-miss; stored`:            {Outcome: Miss, Stored: true},
		`"Redis"; fwd=uri-miss`:                    {Outcome: Miss},
		`"Redis"; fwd=request`:                     {Outcome: Refused},
		`"Redis"; fwd=bypass; collapsed`:           {Outcome: Bypass, Collapsed: true},
		`"Redis"; fwd=uri-miss; stored; collapsed`: {Outcome: Miss, Stored: true, Collapsed: true},
	} {
		if got := s.Header("Redis"); got != want {
			t.Errorf("%+v.Header() = %s, want %s", s, got, want)
		}
	}
	if got, want := (Status{Outcome: Hit}).Header("a\"b\\c\nü"), `"a\"b\\c???"; hit; ttl=0`; got != want {
		t.Errorf("Header = %s, want %s", got, want)
	}
}

func TestJitterIsSeededAndBounded(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) []time.Duration {
		c := newCache(t, Config{Seed: seed})
		lives := make([]time.Duration, 200)
		for i := range lives {
			lives[i] = c.jitter(time.Minute)
		}
		return lives
	}
	one, again, two := draw(1), draw(1), draw(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("one seed, two sequences:\n%s", diff)
	}
	if cmp.Equal(one, two) {
		t.Error("two seeds, one sequence")
	}
	low, high := one[0], one[0]
	for _, d := range one {
		low, high = min(low, d), max(high, d)
	}
	if low < 54*time.Second || high > 66*time.Second || high-low < 10*time.Second {
		t.Errorf("a minute became %s to %s, want most of 54s to 66s", low, high)
	}
	if got := newCache(t, Config{}).jitter(0); got != time.Millisecond {
		t.Errorf("jitter(0) = %s, want Redis's least, 1ms", got)
	}
}

func TestLoadErrorsPassThrough(t *testing.T) {
	t.Parallel()
	c := newCache(t, Config{})
	errGone := errors.New("gone")
	_, _, err := Through(t.Context(), c, "k", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
		return product{}, errGone
	})
	if !errors.Is(err, errGone) {
		t.Errorf("err = %v, want the load's", err)
	}
	_, _, err = Through(t.Context(), c, "k", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) { panic("bug") })
	if !fault.Is(err, fault.Internal) || fault.Reason(err) != "LOAD_PANICKED" {
		t.Errorf("err = %v, want LOAD_PANICKED", err)
	}
}

func TestKeyOfTwoTypes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := Through(t.Context(), c, "k", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
				<-release
				return product{}, nil
			})
			if err != nil {
				t.Errorf("leader: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			_, _, err := Through(t.Context(), c, "k", Life{Fresh: time.Minute}, JSON(func(int) uint64 { return 0 }), func(context.Context) (int, error) {
				return 0, nil
			})
			if err == nil {
				t.Error("a joiner of another type got a value")
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

// TestCancellationIsOnesOwn: the caller who started a flight leaves; who joined it, and the flight, do not notice.
func TestCancellationIsOnesOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		release := make(chan struct{})
		var loads atomic.Int32
		get := func(ctx context.Context) (product, Status, error) {
			return Through(ctx, c, "k", Life{Fresh: time.Minute}, productCodec(), func(ctx context.Context) (product, error) {
				loads.Add(1)
				select {
				case <-release:
					return product{"k", 1}, nil
				case <-ctx.Done():
					return product{}, ctx.Err()
				}
			})
		}
		leader, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := get(leader); !errors.Is(err, context.Canceled) {
				t.Errorf("the canceled caller got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			p, status, err := get(t.Context())
			if err != nil || p.Version != 1 || !status.Collapsed {
				t.Errorf("the joiner got %+v %+v %v", p, status, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

// TestInvalidateLeavesFlight: who asks after an invalidation does not join a load that began before it.
func TestInvalidateLeavesFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			p, _, err := Through(t.Context(), c, "product:a", Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
				<-release
				return product{"a", 1}, nil
			})
			if err != nil || p.Version != 1 {
				t.Errorf("the early caller got %+v %v", p, err)
			}
		})
		synctest.Wait()
		if err := c.Invalidate(t.Context(), "product:a"); err != nil {
			t.Fatal(err)
		}
		if p, _, err := fetchProduct(t.Context(), c, "a", 2); err != nil || p.Version != 2 {
			t.Errorf("the late caller got %+v %v, want version 2", p, err)
		}
		close(release)
		wg.Wait()
	})
}

func TestLoadTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{LoadTimeout: 3 * time.Second})
		begin := time.Now()
		_, _, err := Through(t.Context(), c, "k", Life{Fresh: time.Minute}, productCodec(), func(ctx context.Context) (product, error) {
			<-ctx.Done()
			return product{}, ctx.Err()
		})
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("after %s: %v, want a time-out after 3s", took, err)
		}
	})
}

// TestLoadLimit: with Redis away, no more than LoadLimit loads run, and who waits too long is told to come back.
func TestLoadLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{LoadLimit: 2, LoadTimeout: time.Second})
		release := make(chan struct{})
		var running, served, busy atomic.Int32
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				_, _, err := Through(t.Context(), c, key(i), Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
					if n := running.Add(1); n > 2 {
						t.Errorf("%d loads at a time", n)
					}
					defer running.Add(-1)
					<-release
					return product{}, nil
				})
				switch {
				case err == nil:
					served.Add(1)
				case fault.Is(err, fault.Unavailable) && fault.Reason(err) == "DATABASE_BUSY":
					busy.Add(1)
				default:
					t.Errorf("err = %v", err)
				}
			})
		}
		time.Sleep(2 * time.Second)
		close(release)
		wg.Wait()
		if served.Load() != 2 || busy.Load() != 3 {
			t.Errorf("%d served and %d turned away, want 2 and 3", served.Load(), busy.Load())
		}
	})
}

func TestNoRedis(t *testing.T) {
	t.Parallel()
	c := newCache(t, Config{})
	for range 10 {
		if p, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || p.Version != 1 || status.Outcome != Bypass {
			t.Fatalf("fetch = %+v %+v %v", p, status, err)
		}
	}
	if err := c.Invalidate(t.Context(), "product:a"); err != nil {
		t.Errorf("invalidate: %v", err)
	}
	if n := failures(c, "look"); n != 0 {
		t.Errorf("%d look errors in a region that has no Redis", n)
	}
}

func TestParseEntry(t *testing.T) {
	t.Parallel()
	full := entry{version: 1<<64 - 1, stale: 30 * time.Second, loadTime: 1500 * time.Microsecond, payload: []byte("x")}
	for _, c := range []struct {
		raw     string
		want    entry
		ok      bool
		corrupt bool
	}{
		{"", entry{}, false, false},
		{"Tabc", entry{}, false, false},
		{entry{version: 7, payload: []byte{}}.encode(), entry{version: 7, payload: []byte{}}, true, false},
		{full.encode(), full, true, false},
		{"E123", entry{}, false, true},
		{"E" + strings.Repeat("0", 31), entry{}, false, true},
		{"E" + strings.Repeat("z", 32), entry{}, false, true},
		{"E" + strings.Repeat("0", 31) + "+x", entry{}, false, true},
		{"garbage", entry{}, false, true},
	} {
		e, ok, err := parseEntry(c.raw)
		if diff := cmp.Diff(c.want, e, cmp.AllowUnexported(entry{})); diff != "" || ok != c.ok || (err != nil) != c.corrupt {
			t.Errorf("parseEntry(%q) = %t, %v\n%s", c.raw, ok, err, diff)
		}
	}
	for name, e := range map[string]entry{"negative": {stale: -1, loadTime: -1}, "beyond measure": {stale: 1 << 62, loadTime: 1 << 62}} {
		if got, ok, err := parseEntry(e.encode()); !ok || err != nil || got.stale < 0 || got.loadTime < 0 {
			t.Errorf("%s: %+v, %t, %v", name, got, ok, err)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add("", uint64(0), int64(0))
	f.Add("E0000000000000007000075300000000ax", uint64(1<<63), int64(time.Hour))
	f.Fuzz(func(t *testing.T, s string, version uint64, stale int64) {
		_, _, _ = parseEntry(s)
		want := entry{version: version, stale: time.Duration(stale).Abs() % (1000 * time.Hour), payload: []byte(s)}
		got, ok, err := parseEntry(want.encode())
		if string(got.payload) != s || got.version != version || got.stale != want.stale.Truncate(time.Millisecond) || !ok || err != nil {
			t.Errorf("round trip of %+v gave %+v, %t, %v", want, got, ok, err)
		}
	})
}

package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us regions.Name = "us-east-1"
	eu regions.Name = "eu-west-1"
	ap regions.Name = "ap-southeast-1"
)

// memory is a Store whose database clock is the bubble's.
type memory struct {
	mu      sync.Mutex
	rows    map[regions.Name]row
	down    map[regions.Name]bool // calls about that region hang until their context ends
	writes  int
	dropped map[string]bool // holders that are cut off
}

type row struct {
	holder  string
	expires time.Time
}

func newMemory() *memory {
	return &memory{rows: map[regions.Name]row{}, down: map[regions.Name]bool{}, dropped: map[string]bool{}}
}

func (m *memory) reach(ctx context.Context, home regions.Name) error {
	m.mu.Lock()
	down := m.down[home]
	m.mu.Unlock()
	if down {
		<-ctx.Done()
		return ctx.Err()
	}
	return ctx.Err()
}

func (m *memory) Read(ctx context.Context, home regions.Name) (lease.Record, error) {
	if err := m.reach(ctx, home); err != nil {
		return lease.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[home]
	return lease.Record{Holder: r.holder, ExpiresIn: time.Until(r.expires), Version: r.expires}, nil
}

func (m *memory) Claim(ctx context.Context, home regions.Name, seen lease.Record, holder string, ttl time.Duration) (bool, error) {
	if err := m.reach(ctx, home); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.dropped[holder] {
		return false, errors.New("cut off")
	}
	if r := m.rows[home]; r.holder != seen.Holder || !r.expires.Equal(seen.Version) {
		return false, nil
	}
	m.rows[home] = row{holder, time.Now().Add(ttl)}
	return true, nil
}

func (m *memory) Renew(ctx context.Context, home regions.Name, holder string, ttl time.Duration) (bool, error) {
	if err := m.reach(ctx, home); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.dropped[holder] {
		return false, errors.New("cut off")
	}
	if m.rows[home].holder != holder {
		return false, nil
	}
	m.rows[home] = row{holder, time.Now().Add(ttl)}
	return true, nil
}

func (m *memory) Release(_ context.Context, home regions.Name, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows[home].holder == holder {
		m.rows[home] = row{holder, time.Now()}
	}
	return nil
}

func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// workers counts who works for whom right now.
type workers struct {
	mu  sync.Mutex
	now map[regions.Name][]string
}

func (w *workers) of(home regions.Name) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.now[home])
}

// instance is a running elector.
type instance struct {
	*lease.Elector
	stop func()
}

func start(t *testing.T, m *memory, w *workers, region regions.Name, name string) instance {
	t.Helper()
	e, err := lease.New(lease.Config{
		Regions: regions.Default(), Region: region, Instance: name, Store: m, Log: slog.New(slog.DiscardHandler),
		Work: []lease.Work{{Name: "work", Every: time.Second, Step: func(ctx context.Context, home regions.Name) (int, error) {
			w.mu.Lock()
			w.now[home] = append(w.now[home], name)
			w.mu.Unlock()
			<-ctx.Done()
			w.mu.Lock()
			w.now[home] = slices.DeleteFunc(w.now[home], func(s string) bool { return s == name })
			w.mu.Unlock()
			return 0, ctx.Err()
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { e.Run(ctx); close(ended) }()
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return instance{e, stop}
}

func wait(d time.Duration) {
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

func TestHomeHoldsItsLeaseAndTheNearestTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), &workers{now: map[regions.Name][]string{}}
		euA, euB := start(t, m, w, eu, "eu-a"), start(t, m, w, eu, "eu-b")
		us1, ap1 := start(t, m, w, us, "us-1"), start(t, m, w, ap, "ap-1")
		wait(3 * time.Second)
		for home, want := range map[regions.Name][]string{us: {"us-1"}, ap: {"ap-1"}} {
			if diff := cmp.Diff(want, w.of(home)); diff != "" {
				t.Errorf("%s: %s", home, diff)
			}
		}
		if n := len(w.of(eu)); n != 1 || len(euA.Held())+len(euB.Held()) != 1 {
			t.Errorf("%d instances work for eu", n)
		}
		// One of the two is cut off: the other one takes over at expiry, not a foreign one.
		holder, other := euA, "eu-b"
		if w.of(eu)[0] == "eu-b" {
			holder, other = euB, "eu-a"
		}
		m.set(func() { m.dropped[string(eu)+"/"+w.of(eu)[0]] = true })
		wait(8 * time.Second)
		if diff := cmp.Diff([]string{other}, w.of(eu)); diff != "" || len(holder.Held()) != 0 {
			t.Errorf("after eu's holder was cut off: %s%v", diff, holder.Held())
		}
		// The whole region is gone: us is nearer to eu than ap.
		m.set(func() { m.dropped["eu-west-1/eu-a"], m.dropped["eu-west-1/eu-b"] = true, true })
		holder.stop()
		map[string]instance{"eu-a": euA, "eu-b": euB}[other].stop()
		m.set(func() { clear(m.dropped) })
		wait(8 * time.Second)
		if diff := cmp.Diff([]string{"us-1"}, w.of(eu)); diff != "" {
			t.Errorf("after eu was gone: %s", diff)
		}
		us1.stop()
		wait(10 * time.Second)
		for _, home := range []regions.Name{us, eu, ap} {
			if diff := cmp.Diff([]string{"ap-1"}, w.of(home)); diff != "" {
				t.Errorf("%s after us was gone too: %s", home, diff)
			}
		}
		if diff := cmp.Diff([]regions.Name{ap, eu, us}, ap1.Held()); diff != "" {
			t.Error(diff)
		}
		// Home comes back and takes its lease although it is held.
		start(t, m, w, eu, "eu-c")
		wait(4 * time.Second)
		if diff := cmp.Diff([]string{"eu-c"}, w.of(eu)); diff != "" {
			t.Errorf("after eu came back: %s", diff)
		}
	})
}

func TestWorkStopsWhenTheLeaseCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), &workers{now: map[regions.Name][]string{}}
		one := start(t, m, w, us, "us-1")
		wait(6 * time.Second)
		m.set(func() { m.down[eu] = true })
		wait(6 * time.Second)
		if diff := cmp.Diff([]regions.Name{ap, us}, one.Held()); diff != "" {
			t.Errorf("a region that does not answer: %s", diff)
		}
		if len(w.of(eu)) != 0 || len(w.of(us)) != 1 || len(w.of(ap)) != 1 {
			t.Errorf("working for eu %v, us %v, ap %v", w.of(eu), w.of(us), w.of(ap))
		}
		m.set(func() { m.down[eu] = false })
		wait(10 * time.Second)
		if diff := cmp.Diff([]regions.Name{ap, eu, us}, one.Held()); diff != "" {
			t.Errorf("after it answers again: %s", diff)
		}
	})
}

func TestOnlyTheHolderWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), &workers{now: map[regions.Name][]string{}}
		for _, region := range []regions.Name{us, eu, ap} {
			for _, name := range []string{"a", "b", "c"} {
				start(t, m, w, region, name)
			}
		}
		wait(10 * time.Second)
		m.set(func() { m.writes = 0 })
		wait(30 * time.Second)
		if m.set(func() {}); m.writes > 3*21 {
			t.Errorf("%d writes in 30 s for three leases", m.writes)
		}
	})
}

func TestStopReleases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), &workers{now: map[regions.Name][]string{}}
		first := start(t, m, w, eu, "eu-a")
		wait(2 * time.Second)
		start(t, m, w, eu, "eu-b")
		wait(2 * time.Second)
		first.stop()
		wait(2100 * time.Millisecond) // less than the time to live
		if diff := cmp.Diff([]string{"eu-b"}, w.of(eu)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailingWorkBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		calls := map[string]int{}
		step := func(name string, n int, err error) lease.Work {
			return lease.Work{Name: name, Every: time.Second, Step: func(ctx context.Context, home regions.Name) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				if home == eu {
					calls[name]++
				}
				if calls[name] > 5 {
					return 0, err
				}
				return n, err
			}}
		}
		e, err := lease.New(lease.Config{
			Regions: regions.Default(), Region: eu, Instance: "i", Store: newMemory(), Log: slog.New(slog.DiscardHandler),
			Work: []lease.Work{step("failing", 0, errors.New("no")), step("idle", 0, nil), step("busy", 1, nil)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30500*time.Millisecond)
		defer cancel()
		e.Run(ctx)
		if calls["failing"] < 8 || calls["failing"] > 22 || calls["idle"] != 31 || calls["busy"] != 36 {
			t.Errorf("calls in 30 s: %v", calls)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := lease.Config{Regions: regions.Default(), Region: eu, Instance: "i", Store: newMemory(), Log: slog.Default()}
	for name, spoil := range map[string]func(*lease.Config){
		"regions":  func(c *lease.Config) { c.Regions = nil },
		"store":    func(c *lease.Config) { c.Store = nil },
		"log":      func(c *lease.Config) { c.Log = nil },
		"region":   func(c *lease.Config) { c.Region = "mars-1" },
		"instance": func(c *lease.Config) { c.Instance = "" },
		"slash":    func(c *lease.Config) { c.Instance = "a/b" },
	} {
		c := good
		spoil(&c)
		if _, err := lease.New(c); !errors.Is(err, lease.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

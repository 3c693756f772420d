package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	us = regions.Name("us-east-1")
	eu = regions.Name("eu-west-1")
	ap = regions.Name("ap-southeast-1")
)

var errLost = errors.New("no answer")

// world is a fake of everything outside a view: Consul's listings, and how instances answer probes.
type world struct {
	mu      sync.Mutex
	index   uint64
	changed chan struct{}
	lists   map[regions.Name][]registered
	consul  map[regions.Name]bool // false: lost
	federal bool                  // the local Consul answers for other regions
	answers map[string]error      // by address; absent: ready. errHang: no answer
	loads   map[string]float64    // by address
	said    map[regions.Name]Control
	rtt     map[Pair]time.Duration
}

var errHang = errors.New("hangs")

func newWorld() *world {
	w := &world{
		index: 1, changed: make(chan struct{}), lists: map[regions.Name][]registered{},
		consul: map[regions.Name]bool{us: true, eu: true, ap: true}, federal: true, answers: map[string]error{}, loads: map[string]float64{},
	}
	for i, n := range []regions.Name{us, eu, ap} {
		for s := range 2 {
			w.lists[n] = append(w.lists[n], registered{id: fmt.Sprintf("%s-stack-%d", n, s+1), addr: fmt.Sprintf("127.0.%d.%d:8080", i+1, 11+s), target: "all"})
		}
	}
	return w
}

// change edits the world and wakes blocked queries.
func (w *world) change(edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
	w.index++
	close(w.changed)
	w.changed = make(chan struct{})
}

type fakeConsul struct {
	*world
	of regions.Name // "": the federated view
}

func (f fakeConsul) list(ctx context.Context, region regions.Name, index uint64) ([]registered, uint64, error) {
	f.mu.Lock()
	for f.index == index && f.consul[region] {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-changed:
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if f.of == "" && !f.federal || f.of != "" && !f.consul[f.of] {
		return nil, 0, errLost
	}
	return slices.Clone(f.lists[region]), f.index, nil
}

func (w *world) probe(ctx context.Context, addr string) (float64, error) {
	w.mu.Lock()
	err, load := w.answers[addr], w.loads[addr]
	w.mu.Unlock()
	if errors.Is(err, errHang) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return load, err
}

// start runs a view of the European edge on a world, inside a synctest bubble.
func start(t *testing.T, w *world) *View {
	t.Helper()
	v := newView(Config{Regions: regions.Default(), Region: eu})
	for _, n := range v.regions.Names() {
		v.own[n] = fakeConsul{w, n}
	}
	v.crossDC, v.local, v.probe = fakeConsul{w, ""}, w, w.probe
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := v.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); run.Wait() })
	return v
}

func counts(v *View) string {
	s := ""
	for _, r := range v.Snapshot().Regions() {
		s += fmt.Sprintf("%d/%d ", len(r.Healthy), len(r.Members))
	}
	return s[:len(s)-1]
}

func expect(t *testing.T, v *View, after time.Duration, want string) {
	t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if got := counts(v); got != want {
		t.Errorf("after %s: us eu ap are %s, want %s", after, got, want)
	}
}

func TestViewLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := start(t, newWorld())
		if err := v.Ready(); err == nil {
			t.Error("ready before anything was listed")
		}
		expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
		if err := v.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		r := v.Snapshot().Region(ap)
		if r.Source != SourceConsul || r.Members[1].Addr != "127.0.3.12:8080" || r.Members[1].Region != ap || r.Members[1].Target != "all" {
			t.Errorf("got %+v", r)
		}
		if r := v.Snapshot().Region("mars-1"); r.Name != "" || r.Members != nil {
			t.Errorf("an unknown region: %+v", r)
		}
		if h, n := v.Snapshot().Counts("mars-1"); h+n != 0 {
			t.Error("an unknown region counts instances")
		}
		if err := v.Run(t.Context()); err == nil {
			t.Error("it ran twice")
		}
	})
}

func TestMembershipChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := start(t, w)
		expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
		kept := v.Snapshot().Region(eu).Members[0]
		w.change(func() {
			w.lists[eu] = append(w.lists[eu][:1:1], registered{id: "eu-west-1-stack-3", addr: "127.0.2.13:8080", target: "all"})
			w.lists[us][0].addr = "127.0.1.19:8080"
		})
		expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
		if got := v.Snapshot().Region(eu).Members; got[0].Endpoint != kept.Endpoint || got[1].ID != "eu-west-1-stack-3" {
			t.Errorf("got %+v", got)
		}
		if kept.Up.Err() != nil {
			t.Error("an instance that stayed was taken for lost")
		}
		if got := v.Snapshot().Region(us).Members[0].Addr; got != "127.0.1.19:8080" {
			t.Errorf("an instance that moved is at %s", got)
		}
	})
}

// TestFailureDetection states the promise that new requests avoid a lost instance within a second (plus the
// round trip to its region).
func TestFailureDetection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer error
		within time.Duration
		upEnds bool
	}{
		"refused":   {syscall.ECONNREFUSED, 2 * probeInterval, true},
		"hangs":     {errHang, 2*probeInterval + probeTimeout, true},
		"not ready": {fmt.Errorf("%w: 503", errNotReady), 2 * probeInterval, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				v := start(t, w)
				expect(t, v, 290*time.Millisecond, "2/2 2/2 2/2")
				victim := v.Snapshot().Region(eu).Members[0]
				w.change(func() { w.answers[victim.Addr] = tc.answer })
				expect(t, v, tc.within, "2/2 1/2 2/2")
				if (victim.Up.Err() != nil) != tc.upEnds {
					t.Errorf("requests under way are let go: %v, want %v", victim.Up.Err(), tc.upEnds)
				}
				w.change(func() { delete(w.answers, victim.Addr) })
				expect(t, v, 2*probeInterval+probeTimeout, "2/2 2/2 2/2")
				if m := v.Snapshot().Region(eu).Members[0]; m.Up.Err() != nil || m.Endpoint != victim.Endpoint {
					t.Error("it did not come back as itself")
				}
			})
		})
	}
}

func TestReportFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := start(t, w)
		expect(t, v, 290*time.Millisecond, "2/2 2/2 2/2")
		m := v.Snapshot().Region(us).Members[0]
		v.ReportFailure(m.Endpoint, fmt.Errorf("dial: %w", syscall.ECONNREFUSED))
		expect(t, v, 0, "1/2 2/2 2/2")
		if m.Up.Err() == nil {
			t.Error("requests that wait for a refusing instance are not let go")
		}
		expect(t, v, time.Second, "2/2 2/2 2/2")
		m = v.Snapshot().Region(us).Members[0]
		v.ReportFailure(m.Endpoint, context.DeadlineExceeded)
		expect(t, v, 0, "2/2 2/2 2/2")
		v.ReportFailure(m.Endpoint, context.DeadlineExceeded)
		expect(t, v, 0, "1/2 2/2 2/2")
		v.ReportFailure(&Endpoint{ID: m.ID, Region: us}, syscall.ECONNREFUSED)
		v.ReportFailure(&Endpoint{ID: "x", Region: "mars-1"}, syscall.ECONNREFUSED)
	})
}

func TestLosingConsulIsNotLosingARegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := start(t, w)
		expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
		w.change(func() { w.consul[us] = false })
		expect(t, v, time.Second, "2/2 2/2 2/2")
		if got := v.Snapshot().Region(us).Source; got != SourceCrossDC {
			t.Errorf("source %s, want the federated view", got)
		}
		w.change(func() { w.lists[us] = w.lists[us][:1] })
		expect(t, v, 10*time.Second, "1/1 2/2 2/2")
		w.change(func() { w.federal = false })
		expect(t, v, 10*time.Second, "1/1 2/2 2/2")
		if got := v.Snapshot().Region(us).Source; got != SourceLastKnown {
			t.Errorf("source %s, want what was known last", got)
		}
		if err := v.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		w.change(func() { w.answers[w.lists[us][0].addr] = errHang })
		expect(t, v, 2*time.Second, "0/1 2/2 2/2")
		w.change(func() { w.consul[us] = true; clear(w.answers) })
		expect(t, v, 10*time.Second, "1/1 2/2 2/2")
		if got := v.Snapshot().Region(us).Source; got != SourceConsul {
			t.Errorf("source %s, want its own Consul again", got)
		}
	})
}

func TestEmptyListingKeepsWhoAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := start(t, w)
		expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
		all := w.lists[ap]
		w.change(func() { w.lists[ap] = nil }) // Consul lost its state
		expect(t, v, time.Second, "2/2 2/2 2/2")
		w.change(func() { w.lists[ap] = all[:1] }) // the first registers again
		expect(t, v, time.Second, "2/2 2/2 2/2")
		w.change(func() { w.answers[all[1].addr] = syscall.ECONNREFUSED }) // the second was shut down
		expect(t, v, time.Second, "2/2 2/2 1/1")
		w.change(func() { w.lists[ap] = all[:1]; w.lists[eu] = w.lists[eu][:1] })
		expect(t, v, time.Second, "2/2 1/1 1/1")
	})
}

func TestStartWhileARegionIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.consul[ap], w.federal = false, false
		v := start(t, w)
		expect(t, v, time.Second, "2/2 2/2 0/0")
		if err := v.Ready(); err == nil {
			t.Error("ready although a region may still be listed")
		}
		expect(t, v, settleAfter, "2/2 2/2 0/0")
		if err := v.Ready(); err != nil {
			t.Errorf("not ready without the lost region: %v", err)
		}
		w.change(func() {
			for _, list := range w.lists {
				for _, r := range list {
					w.answers[r.addr] = errHang
				}
			}
		})
		expect(t, v, 2*time.Second, "0/2 0/2 0/0")
		if err := v.Ready(); err == nil {
			t.Error("ready although no instance is healthy")
		}
	})
}

func TestEndpointCounts(t *testing.T) {
	t.Parallel()
	var e Endpoint
	e.Acquire()
	e.Acquire()
	e.Release()
	if got := e.InFlight(); got != 1 {
		t.Errorf("got %d", got)
	}
}

func TestNewViewRefuses(t *testing.T) {
	t.Parallel()
	good := Config{Regions: regions.Default(), Region: eu, Consul: map[regions.Name]string{eu: "127.0.0.1:8500"}}
	if _, err := NewView(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Config){
		"no regions":           func(c *Config) { c.Regions = nil },
		"an unknown region":    func(c *Config) { c.Region = "mars-1" },
		"Consul of nowhere":    func(c *Config) { c.Consul["mars-1"] = "127.0.0.1:8500" },
		"a bad Consul address": func(c *Config) { c.Consul[us] = "127.0.0.1" },
	} {
		bad := good
		bad.Consul = maps.Clone(good.Consul)
		edit(&bad)
		if _, err := NewView(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if diff := cmp.Diff([]Region{{Name: us, Source: SourceNone, Members: []Member{}, Control: Control{Weight: 100}}}, newView(good).Snapshot().Regions()[:1], cmpopts.IgnoreUnexported(Standing{})); diff != "" {
		t.Error(diff)
	}
}

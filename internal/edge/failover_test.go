package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

// consulOf answers the one question that an edge asks of a region's Consul, with the region's stacks.
func consulOf(t *testing.T, listener net.Listener, region regions.Name, stacks []*stack) string {
	t.Helper()
	var entries []string
	for _, s := range stacks {
		host, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, fmt.Sprintf(`{"Node":{"Address":"x"},"Service":{"ID":%q,"Address":%q,"Port":%s,"Meta":{"region":%q,"target":"all"}}}`,
			s.ID, host, port, region))
	}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	return serveAt(t, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") == "7" {
			select { // nothing changes
			case <-r.Context().Done():
			case <-ended:
			}
		}
		w.Header().Set("X-Consul-Index", "7")
		_, _ = io.WriteString(w, "["+strings.Join(entries, ",")+"]")
	})).Addr
}

// running is an edge as it is, with probes and all, and two stacks in each region, for a bubble of synctest: whether a
// probe is answered in time must not depend on how busy the machine is. Their handlers are given by region.
func running(t *testing.T, handlers map[regions.Name]http.HandlerFunc) *site {
	t.Helper()
	s := &site{fleet: &fleet{network: nettest.NewMemory()}, registry: prometheus.NewRegistry()}
	transport := &http.Transport{DialContext: s.dialer()}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport}
	consul := map[regions.Name]string{}
	for _, n := range []regions.Name{us, eu, ap} {
		first := len(s.stacks)
		for i := range 2 {
			s.add(t, n, fmt.Sprintf("%s/%d", n, i), handlers[n])
		}
		consul[n] = consulOf(t, s.listen(t, "127.0.0.1:0"), n, s.stacks[first:])
	}
	var err error
	recovery := discovery.Recovery{Eject: 200 * time.Millisecond, MaxEject: time.Second, SlowStart: 500 * time.Millisecond}
	if s.edge, err = New(Config{Regions: regions.Default(), Region: eu, Consul: consul, recovery: recovery, dial: s.dialer()}, Deps{Tokens: tokens{}, Metrics: s.registry}); err != nil {
		t.Fatal(err)
	}
	s.connects(t, s.edge)
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := s.edge.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { stop(); run.Wait() })
	s.url = "http://" + serveEdge(t, s.listen(t, "127.0.0.1:0"), s.edge.Handler())
	eventually(t, "the edge is ready", func() bool { return s.edge.Ready() == nil })
	return s
}

// healthy waits until so many instances of the edge's region are.
func (s *site) healthy(t *testing.T, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d healthy instances", want), func() bool {
		healthy, total := s.edge.view.Snapshot().Counts(eu)
		return healthy == want && total == 2
	})
}

// TestStacksAreKilled has load while both stacks of a region are killed, one after the other, and come back:
// no request fails.
func TestStacksAreKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testStacksAreKilled)
}

func testStacksAreKilled(t *testing.T) {
	drain := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	s := running(t, map[regions.Name]http.HandlerFunc{us: drain, eu: drain, ap: drain})
	var load sync.WaitGroup
	var home, away atomic.Int64
	var done [4]atomic.Int64 // by caller
	ending := make(chan struct{})
	for i := range done {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-ending:
					return
				case <-time.After(5 * time.Millisecond):
				}
				path, headers := product, []string(nil)
				if i%2 == 1 {
					path, headers = place, []string{"Idempotency-Key", fmt.Sprintf("%d-%d", i, n), "Authorization", "Bearer home:eu-west-1"}
				}
				got := s.send(t, http.MethodPost, path, "{}", headers...)
				if got.status != http.StatusOK {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
				if got.Get("Meridian-Served-Region") == string(eu) {
					home.Add(1)
				} else {
					away.Add(1)
				}
				done[i].Add(1)
			}
		})
	}
	eventually(t, "home serves", func() bool { return home.Load() > 50 })
	for i, victim := range s.stacks[2:4] {
		victim.kill()
		s.healthy(t, 1-i)
		for caller := range done { // what broke was repeated, before the next one breaks
			before := done[caller].Load()
			eventually(t, "callers go on", func() bool { return done[caller].Load() > before+1 })
		}
	}
	eventually(t, "another region serves", func() bool { return away.Load() > 50 })
	for _, revived := range s.stacks[2:4] {
		serveAt(t, s.listen(t, revived.Addr), http.HandlerFunc(drain))
	}
	s.healthy(t, 2)
	before := home.Load()
	eventually(t, "home serves again", func() bool { return home.Load() > before+50 })
	close(ending)
	load.Wait()
	if r := s.edge.view.Snapshot().Region(eu); r.Source != discovery.SourceConsul {
		t.Errorf("membership is from %s", r.Source)
	}
}

// TestRegionHangs: the stacks of a region keep their connections and answer nothing any more. Requests that
// wait there are answered by another region as soon as the probes show it.
func TestRegionHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testRegionHangs)
}

func testRegionHangs(t *testing.T) {
	var hanging atomic.Bool
	ended := make(chan struct{})
	mayHang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if hanging.Load() {
			<-ended
		}
	}
	s := running(t, map[regions.Name]http.HandlerFunc{us: echo, eu: mayHang, ap: echo})
	t.Cleanup(func() { close(ended) })
	s.edge.timeout = time.Hour // the probes must do it
	if got := s.send(t, http.MethodPost, product, "{}"); got.Get("Meridian-Served-Region") != string(eu) {
		t.Fatalf("served by %s", got.Get("Stack"))
	}
	hanging.Store(true)
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			start := time.Now()
			got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", fmt.Sprint(i))
			if got.status != http.StatusOK || got.Get("Meridian-Route") != "failover" {
				t.Errorf("got %d by %s: %s", got.status, got.Get("Stack"), got.body)
			}
			t.Logf("answered after %s", time.Since(start))
		})
	}
	load.Wait()
	s.healthy(t, 0)
}

// TestInstancesDieTogether: the second instance is dead, and not known to be, when the request that broke on the first
// one is repeated.
func TestInstancesDieTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edge.pause = 400 * time.Millisecond
	second := s.add(t, eu, "eu/1", reset)
	s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		second.kill()
		reset(w, r)
	})
	s.add(t, us, "us/0", echo)
	second.Acquire() // so that the first instance is asked first
	start := time.Now()
	if got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k"); got.status != http.StatusOK || got.Get("Stack") != "us/0" {
		t.Errorf("got %d from %s: %s", got.status, got.Get("Stack"), got.body)
	}
	if took := time.Since(start); took < s.edge.pause/2 {
		t.Errorf("it was repeated after %s, with no pause in which to see that", took)
	}
}

// TestRepetitionGetsANewConnection, because a kept-alive one may lead to what is dead already.
func TestRepetitionGetsANewConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var peers sync.Map
	second := s.add(t, eu, "eu/1", func(w http.ResponseWriter, r *http.Request) {
		if _, seen := peers.LoadOrStore(r.RemoteAddr, true); seen {
			w.Header().Set("Connection-Was", "kept alive")
		}
	})
	for range 2 {
		s.send(t, http.MethodPost, product, "{}")
	}
	if got := s.send(t, http.MethodPost, product, "{}"); got.Get("Connection-Was") != "kept alive" {
		t.Error("connections are not kept alive")
	}
	s.add(t, eu, "eu/0", reset)
	second.Acquire() // so that the other one is asked first
	if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusOK || got.Get("Stack") != "eu/1" || got.Get("Connection-Was") != "" {
		t.Errorf("got %d from %s on a connection that was %s", got.status, got.Get("Stack"), got.Get("Connection-Was"))
	}
}

// BenchmarkAtHome measures a unary request through the edge to a stack of its own region, and the same request
// sent to the stack itself: the difference is what the edge costs.
func BenchmarkAtHome(b *testing.B) {
	s := newSite(b)
	body := strings.Repeat("x", 500)
	instance := s.add(b, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, body)
	})
	edgeURL := s.url
	for name, url := range map[string]string{"edge": edgeURL, "direct": "http://" + instance.Addr} {
		b.Run(name, func(b *testing.B) {
			s.url = url
			b.ReportAllocs()
			for b.Loop() {
				if got := s.send(b, http.MethodPost, product, "{}"); got.status != http.StatusOK {
					b.Fatal(got.status)
				}
			}
		})
	}
	s.url = edgeURL
}

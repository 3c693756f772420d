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
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/regions"
)

// consulOf answers the one question that an edge asks of a region's Consul, with the region's stacks.
func consulOf(t *testing.T, region regions.Name, stacks []*stack) string {
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
	return serveOn(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// TestRegionIsKilled runs an edge as it is, with probes and all, under load while every stack of its region
// and then the region's Consul are killed: no request fails, and the view follows.
func TestRegionIsKilled(t *testing.T) {
	t.Parallel()
	var f fleet
	ok := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	consul := map[regions.Name]string{}
	for _, n := range []regions.Name{us, eu, ap} {
		first := len(f.stacks)
		for i := range 2 {
			f.add(t, n, fmt.Sprintf("%s/%d", n, i), ok)
		}
		consul[n] = consulOf(t, n, f.stacks[first:])
	}
	e, err := New(Config{Catalog: regions.Default(), Region: eu, Consul: consul}, Deps{Tokens: tokens{}, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	defer run.Wait()
	defer stop()
	eventually(t, "the edge is ready", func() bool { return e.Ready() == nil })
	s := &site{edge: e, url: "http://" + serveOn(t, "127.0.0.1:0", e.Handler()).Addr, client: http.DefaultClient}

	var load sync.WaitGroup
	var served [2]atomic.Int64 // by home, by another region
	ending := make(chan struct{})
	for i := range 4 {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-ending:
					return
				case <-time.After(time.Millisecond):
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
					served[0].Add(1)
				} else {
					served[1].Add(1)
				}
			}
		})
	}
	eventually(t, "home serves", func() bool { return served[0].Load() > 50 })
	for _, victim := range f.stacks[2:4] {
		victim.kill()
	}
	eventually(t, "another region serves", func() bool { return served[1].Load() > 50 })
	eventually(t, "the view follows", func() bool {
		healthy, total := e.view.Snapshot().Counts(eu)
		return healthy == 0 && total == 2
	})
	for _, revived := range f.stacks[2:4] {
		serveOn(t, revived.Addr, http.HandlerFunc(ok))
	}
	before := served[0].Load()
	eventually(t, "home serves again", func() bool { return served[0].Load() > before+50 })
	close(ending)
	load.Wait()
	if r := e.view.Snapshot().Region(eu); r.Source != discovery.SourceConsul {
		t.Errorf("membership is from %s", r.Source)
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

package e2e_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/overload/brake"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

// crowd reads a product at an edge, so many times a second for so long, each time from another address of Ireland,
// and returns how many answers each region gave by each route. What fails is of the route "failed".
func crowd(t *testing.T, edge string, perSecond int, lasts time.Duration) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts+20*time.Second)
	defer cancel()
	var mu sync.Mutex
	served := map[string]int{}
	var under sync.WaitGroup
	start := time.Now()
	for n := 0; ; n++ {
		due := time.Duration(n) * time.Second / time.Duration(perSecond)
		if due > lasts {
			break
		}
		time.Sleep(time.Until(start.Add(due)))
		under.Go(func() {
			by := browse(ctx, edge, n)
			mu.Lock()
			defer mu.Unlock()
			served[by]++
		})
	}
	under.Wait()
	return served
}

func browse(ctx context.Context, edge string, n int) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		edge+"/meridian.catalog.v1.CatalogService/GetProduct?encoding=json&message=%7B%22handle%22%3A%22"+handle+"%22%7D", http.NoBody)
	if err != nil {
		return "failed"
	}
	req.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{86, 44, byte(n >> 8), byte(n)}).String())
	req.Header.Set("CF-IPCountry", "IE")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "failed"
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return "failed"
	}
	return res.Header.Get("Meridian-Served-Region") + " " + res.Header.Get("Meridian-Route")
}

// settles reads at an edge, so many times a second, until the answers of some seconds are as wanted: a busy machine
// makes some of them late, and what is late is shared in other ways.
func settles(t *testing.T, edge string, perSecond int, what string, wanted func(share func(by string) float64) bool) {
	t.Helper()
	var seen []map[string]int
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		served := crowd(t, edge, perSecond, 5*time.Second)
		total := 0
		for _, n := range served {
			total += n
		}
		if wanted(func(by string) float64 { return float64(served[by]) / float64(total) }) {
			t.Logf("%s: %v", what, served)
			return
		}
		seen = append(seen, served)
	}
	t.Errorf("%s: %v", what, seen)
}

// A region that is asked for half as much again as it can do gives away what is too much, to the next nearest one,
// and keeps what it can serve; one that is asked for less gives nothing away.
func TestOverflowSpillsOver(t *testing.T) {
	t.Parallel()
	const local, spilled = "eu-west-1 nearest", "us-east-1 spillover"
	brakes := brake.Config{Concurrency: 4, Service: 200 * time.Millisecond} // 20 requests a second, for each of two stacks
	c := startWith(t, "", func(o *cluster.Options) {
		fronts := map[string]string{}
		eu, _ := o.Plan.Lookup("eu-west-1")
		for _, s := range eu.Stacks {
			b, err := brake.Open(t.Context(), s.Addr, brakes)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			fronts[s.Name] = b.Addr()
		}
		o.Front = func(s topology.Stack) string { return cmp.Or(fronts[s.Name], s.Addr) }
	})
	edge := edgeOf(t, c.Plan(), "eu-west-1")
	settles(t, edge, 12, "at three tenths of its capacity", func(share func(string) float64) bool { return share(local) == 1 })
	// It settles where what is kept loads the region as much as makes it keep so much: at 84 % of its capacity, 56 % of
	// the callers.
	settles(t, edge, 60, "at half as much again as its capacity", func(share func(string) float64) bool {
		return share(local) > 0.40 && share(local) < 0.72 && share(spilled) > 0.25 && share("failed") < 0.02
	})
}

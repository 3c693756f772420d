package e2e_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// look asks once, and returns the status (0: no answer) and the body.
func look(ctx context.Context, url string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }() // only read
	body, _ := io.ReadAll(res.Body)         // what is missing is not found in it
	return res.StatusCode, string(body)
}

// awaitStatus asks until the status is as wanted, and the body says what it should.
func awaitStatus(t *testing.T, url string, want int, says ...string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		status, body := look(t.Context(), url)
		if status == want && !slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(body, text) }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d %s; want %d %q", url, status, body, want, says)
		}
	}
}

// A region that is cut off from the others cannot write, and says so: callers are led to another edge. The others
// stay ready all the while, though rows of the region stall, and it comes back by itself.
func TestCutOffRegionIsNotReady(t *testing.T) {
	t.Parallel()
	c := start(t, "")
	region := func(n regions.Name) topology.Region {
		r, ok := c.Plan().Lookup(n)
		if !ok {
			t.Fatalf("the plan has no region %s", n)
		}
		return r
	}
	eu := region("eu-west-1")
	ada := signUp(t, "http://"+eu.Edge, "IE", "ada")
	if err := ada.product(handle); err != nil { // which the region then has in its cache
		t.Fatal(err)
	}

	const cannotWrite = `"quorum":{"ok":false` // which a busy machine makes nobody say, unlike that an answer is late
	watching, stop := context.WithCancel(t.Context())
	var watchers sync.WaitGroup
	for _, n := range []regions.Name{"us-east-1", "ap-southeast-1"} {
		for _, s := range region(n).Stacks {
			watchers.Go(func() {
				for watching.Err() == nil {
					if status, body := look(watching, "http://"+s.Admin+"/readyz"); status == http.StatusServiceUnavailable && strings.Contains(body, cannotWrite) {
						t.Errorf("%s: %s", s.Name, body)
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
	}
	report, err := c.Break(t.Context(), cluster.Fault{Kind: cluster.FaultPartition, Target: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range eu.Stacks {
		awaitStatus(t, "http://"+s.Admin+"/readyz", http.StatusServiceUnavailable, cannotWrite, `"database":{"ok":true`)
	}
	awaitStatus(t, "http://"+eu.Edge+discovery.ReadyPath, http.StatusServiceUnavailable)
	if err := ada.product(handle); err != nil {
		t.Errorf("who still comes to the edge cannot see what is cached: %v", err)
	}
	ada.edge = "http://" + region("us-east-1").Edge
	ada.buy(sku) // waits for the leases
	if time.Now().Before(report.LeasesMoveAt) {
		t.Error("the order was placed before the leases moved, so that the stall was not seen")
	}
	if err := c.Heal(t.Context(), "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	for _, s := range eu.Stacks {
		awaitStatus(t, "http://"+s.Admin+"/readyz", http.StatusOK)
	}
	awaitStatus(t, "http://"+eu.Edge+discovery.ReadyPath, http.StatusOK)
	stop()
	watchers.Wait()
}

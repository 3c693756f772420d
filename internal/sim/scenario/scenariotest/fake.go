// Package scenariotest plays scenarios in tests: by the command line that people use, in simulated time, against a fake
// simulation around a shop in memory.
package scenariotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// How long a killed region's entry stays announced, and how long its callers get nothing.
const (
	Withdrawal = 1500 * time.Millisecond
	Outage     = 5 * time.Second
)

// Fake is a simulation around a shop. Whoever calls from a region that was killed gets no answer for a while. What it
// does not implement of a Cluster panics, so a test that needs more embeds it. It is safe for concurrent use.
type Fake struct {
	scenario.Cluster
	Shop *shoptest.Shop
	// Left is what never settles.
	Left check.Unfinished

	catalog *regions.Set // parsed once, not for every request

	mu      sync.Mutex
	lost    map[regions.Name]bool
	changes []internet.Change
	healed  []string
}

// New returns a fake whose shop has a bug, or none.
func New(bug shoptest.Bug) *Fake {
	f := &Fake{catalog: regions.Default(), lost: map[regions.Name]bool{}}
	f.Shop = &shoptest.Shop{Bug: bug, Before: f.reach}
	return f
}

func (f *Fake) reach(_ context.Context, r *http.Request) error {
	time.Sleep(time.Millisecond)
	from, _ := f.catalog.Prefers(r.Header.Get("CF-IPCountry"))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost[from] {
		return errors.New("connection refused")
	}
	return nil
}

// Lose has a region's callers get no answer, or one again.
func (f *Fake) Lose(region regions.Name, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost[region] = lost
}

// Withdraw notes that a region's edge is withdrawn at a moment.
func (f *Fake) Withdraw(region regions.Name, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, internet.Change{At: at, Region: region})
}

// Kill implements scenario.Cluster: the region's callers lose the shop for the time of an outage.
func (f *Fake) Kill(_ context.Context, target string) (cluster.FaultReport, error) {
	now := time.Now()
	report := cluster.FaultReport{Target: target, At: now, Processes: []string{target + "/edge"}}
	if region := regions.Name(target); !strings.Contains(target, "/") && target != "provider" {
		f.Lose(region, true)
		f.Withdraw(region, now.Add(Withdrawal))
		time.AfterFunc(Outage, func() { f.Lose(region, false) })
		report.LeasesMoveAt = now.Add(Outage)
	}
	return report, nil
}

// Break implements scenario.Cluster: the payment provider may hang, which no shopper notices.
func (f *Fake) Break(_ context.Context, fault cluster.Fault) (cluster.FaultReport, error) {
	return cluster.FaultReport{Target: fault.Target, At: time.Now()}, nil
}

// Heal implements scenario.Cluster.
func (f *Fake) Heal(_ context.Context, target string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed = append(f.healed, target)
	return nil
}

// World is the fake as a scenario sees it; c is the cluster that it gets, which may be more than the fake itself.
func (f *Fake) World(c scenario.Cluster) scenario.World {
	return scenario.World{Catalog: f.catalog, Cluster: c, Net: network{f.Shop, f}, Records: scenario.Records{
		Pending: func(context.Context) (check.Unfinished, error) { return f.Left, nil },
		Facts:   func(context.Context) (check.Facts, error) { return f.Shop.Facts(), nil },
		Audit:   func(context.Context) ([]check.Violation, error) { return nil, nil },
	}}
}

// network is the way to the shop.
type network struct {
	*shoptest.Shop
	f *Fake
}

// RTT implements scenario.Network.
func (network) RTT(string, regions.Name) time.Duration { return 10 * time.Millisecond }

// Announced implements scenario.Network.
func (network) Announced(regions.Name) bool { return true }

// Changes implements scenario.Network.
func (n network) Changes() []internet.Change {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	return slices.Clone(n.f.changes)
}

// Result is what a run left behind.
type Result struct {
	report.Envelope
	Err     error  // of the command
	Printed string // on the terminal
	JSON    []byte // the report's file
	HTML    string
	JUnit   string
}

// Invariants names what was broken.
func (r Result) Invariants() []string {
	var out []string
	for _, v := range r.Violations {
		out = append(out, v.Invariant)
	}
	return out
}

// Missed names the objectives that were not met.
func (r Result) Missed() []string {
	var out []string
	for _, o := range r.Objectives {
		if !o.Met {
			out = append(out, o.Name)
		}
	}
	return out
}

// Figures reads the scenario's own part of the report.
func (r Result) Figures(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(r.JSON, into); err != nil {
		t.Fatal(err)
	}
}

// Play runs a scenario's command with some flags, in simulated time, in a world that is made for it.
func Play(t *testing.T, s scenario.Scenario, world func(*scenario.Run) scenario.World, flags ...string) (out Result) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		start := func(_ context.Context, r *scenario.Run) (scenario.World, error) { return world(r), nil }
		c := scenario.Commands(start, s)[0]
		c.SilenceUsage = true
		c.SilenceErrors = true
		var printed bytes.Buffer
		c.SetOut(&printed)
		c.SetArgs(append([]string{s.Name, "--out", dir}, flags...))
		out.Err = c.ExecuteContext(t.Context())
		out.Printed = printed.String()
	})
	if out.Err != nil && !errors.Is(out.Err, scenario.ErrFailed) {
		return out
	}
	read := func(pattern string) []byte {
		files, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is well formed
		if len(files) != 1 {
			t.Fatalf("the run left %d files %s:\n%s", len(files), pattern, out.Printed)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	out.JSON = read("*.json")
	out.HTML = string(read("*.html"))
	out.JUnit = string(read("*-junit.xml"))
	out.Figures(t, &out.Envelope)
	return out
}

package drill

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/regions"
)

// fake is a shop whose callers in one region lose it for a while.
type fake struct {
	shop    *shoptest.Shop
	mu      sync.Mutex
	lost    regions.Name
	changes []internet.Change
}

const fakeEntry, fakeOrders = 1500 * time.Millisecond, 5 * time.Second

func newFake(bug shoptest.Bug) *fake {
	f, catalog := &fake{}, regions.Default()
	f.shop = &shoptest.Shop{Bug: bug, Before: func(_ context.Context, r *http.Request) error {
		time.Sleep(time.Millisecond)
		f.mu.Lock()
		defer f.mu.Unlock()
		if from, _ := catalog.Prefers(r.Header.Get("CF-IPCountry")); from == f.lost {
			return errors.New("connection refused")
		}
		return nil
	}}
	return f
}

// Kill implements Cluster: the region's callers lose the shop for five seconds.
func (f *fake) Kill(_ context.Context, region string) (Killed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.lost = regions.Name(region)
	f.changes = append(f.changes, internet.Change{At: now.Add(fakeEntry), Region: regions.Name(region)})
	time.AfterFunc(fakeOrders, func() { f.mu.Lock(); defer f.mu.Unlock(); f.lost = "" })
	return Killed{At: now, LeasesMoveAt: now.Add(fakeOrders), Processes: []string{region + "/edge"}}, nil
}

// Heal implements Cluster.
func (f *fake) Heal(context.Context, string) error { return nil }

func (f *fake) parts() parts {
	return parts{
		catalog: regions.Default(), cluster: f, access: f.shop, changes: func() []internet.Change { return f.changes },
		pending: func(context.Context) (check.Unfinished, error) { return check.Unfinished{}, nil },
		facts:   func(context.Context) (check.Facts, error) { return f.shop.Facts(), nil },
		audit:   func(context.Context) ([]check.Violation, error) { return nil, nil },
	}
}

func drill(t *testing.T, bug shoptest.Bug) (verdicts []string, summary string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var saying sync.Mutex
		cfg := Config{Seed: 1, Duration: shortest, Rate: 15, Shoppers: 60, Commit: "c", Command: "meridian-sim drill kill-region"}
		r, err := run(t.Context(), cfg, newFake(bug).parts(), writer(func(p []byte) (int, error) {
			saying.Lock()
			defer saying.Unlock()
			return out.Write(p)
		}))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Violations {
			verdicts = append(verdicts, v.Invariant)
			if v.Invariant == check.CaptureOnce && len(v.IDs) == 0 {
				t.Error("it names no order")
			}
		}
		lost := draw(1, regions.Default())
		if len(r.Faults) != 1 || r.Faults[0].Region != lost || !r.Faults[0].Bit {
			t.Errorf("faults: %+v, want %s lost", r.Faults, lost)
		}
		if r.Recovery.EntryMS == nil || *r.Recovery.EntryMS != 1500 {
			t.Errorf("entry withdrawn after %v, want 1500 ms", r.Recovery.EntryMS)
		}
		if ms := r.Recovery.OrdersTotalMS; ms == nil {
			t.Error("orders never recovered")
		} else if *ms < 3000 || *ms > 12000 {
			t.Errorf("orders recovered after %v ms, want soon after 5 s", *ms)
		}
		if r.Orders.Acknowledged < 100 || r.Orders.Placed < r.Orders.Acknowledged-20 {
			t.Errorf("orders: %+v", r.Orders)
		}
		if ratio := r.Others.MinWindowSuccessRatio; ratio == nil || *ratio != 1 {
			t.Errorf("others' worst window: %v", ratio)
		}
		summary = out.String()
	})
	return verdicts, summary
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestADrillOfASystemThatKeepsItsPromises(t *testing.T) {
	t.Parallel()
	verdicts, summary := drill(t, "")
	if len(verdicts) > 0 {
		t.Errorf("violations: %v", verdicts)
	}
	for _, want := range []string{"signed up 60 of 60", "killed", "healing", "settled"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the progress does not tell %q:\n%s", want, summary)
		}
	}
}

func TestADrillOfASystemThatBreaksOne(t *testing.T) {
	t.Parallel()
	verdicts, _ := drill(t, shoptest.CapturesTwice)
	if diff := cmp.Diff([]string{check.CaptureOnce}, verdicts); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestWhatDoesNotSettleIsAViolation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake("")
		w := f.parts()
		w.pending = func(context.Context) (check.Unfinished, error) { return check.Unfinished{Events: 2}, nil }
		violations, _, err := judge(t.Context(), w, &history.History{}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if len(violations) != 1 || violations[0].Invariant != check.Settles {
			t.Errorf("got %+v", violations)
		}
	})
}

func TestTheSeedDrawsEveryRegion(t *testing.T) {
	t.Parallel()
	drawn := map[regions.Name]bool{}
	for seed := range uint64(20) {
		drawn[draw(seed, regions.Default())] = true
	}
	if len(drawn) != len(regions.Default().Names()) {
		t.Errorf("twenty seeds drew only %v", drawn)
	}
}

func TestBadDrillsAreRefused(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"too short":      {"--duration=10s"},
		"unknown region": {"--region=moon-1"},
		"unknown bug":    {"--plant=gremlin"},
		"bad offset":     {"--net=999"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Command()
			c.SetArgs(append([]string{Scenario}, args...))
			c.SetOut(io.Discard)
			c.SilenceUsage, c.SilenceErrors = true, true
			if err := c.ExecuteContext(t.Context()); err == nil {
				t.Error("it was not refused")
			}
		})
	}
}

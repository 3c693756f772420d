// Package overload asks a region of a known capacity for ten times as much as it can do, and measures what
// becomes of what matters: how much is still served, whether orders succeed while browsing is refused, how fast a
// refusal is, and how soon all is well again.
//
// The simulation has one region, so that nothing can be served elsewhere, and a brake before each of its stacks,
// so that what gives out is the stacks' capacity rather than this machine's. Load is open loop: requests set off
// when they should, whether or not the region keeps up.
package overload

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/overload/brake"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

// The load: shares of what the region can do, and how long.
const (
	measuring     = 6 * time.Second // of the capacity
	crowd         = 2               // callers for each request that is served at a time, while the capacity is measured
	orderShare    = 0.1             // of the capacity: orders, whatever else is asked for
	calmShare     = 0.4             // of the capacity: the load after the overload
	calmFor       = 12 * time.Second
	warmUpFor     = 3 * time.Second
	recoveredOnce = 2 * time.Second // all is well for so long
)

//go:embed page.tmpl
var page string

// drill is the scenario under way.
type drill struct {
	brake    brake.Config // of each stack
	times    float64      // the capacity
	duration time.Duration

	transport   http.RoundTripper // to the edge
	open        func(ctx context.Context, stack string, cfg brake.Config) (*brake.Brake, error)
	shop        *shop
	capacity    float64 // measured, requests a second
	heavy, calm phase
}

// phase is a stretch of load and what came of it.
type phase struct {
	from, to time.Time
	answers  []history.Op
}

// Scenario overloads a region.
func Scenario() scenario.Scenario {
	return (&drill{transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}, open: brake.Open}).scenario()
}

func (d *drill) scenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "overload", Schema: "2", Page: page, Takes: 2 * time.Minute, Regions: scenario.OneRegion(),
		Proves: "Ask a region for ten times what it can do",
		Details: "Starts a simulation of one region whose stacks have a known capacity, measures it, and asks for ten times as much\n" +
			"for a minute. Prints how much is served, whether orders succeed while browsing is refused, how fast refusals are and\n" +
			"how soon all is well. Fails if the figures prove nothing; with --strict also if they miss objectives.",
		Flags: func(fs *pflag.FlagSet) {
			fs.IntVar(&d.brake.Concurrency, "concurrency", 5, "requests that a stack serves at a time")
			fs.DurationVar(&d.brake.Service, "service", 100*time.Millisecond, "how long each takes")
			fs.Float64Var(&d.times, "times", 10, "how much of the capacity to ask for")
			fs.DurationVar(&d.duration, "duration", time.Minute, "for how long")
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

// prepare puts a brake before every stack, where the edge calls it.
func (d *drill) prepare(ctx context.Context, r *scenario.Run) error {
	if d.times <= 1 || d.duration < 5*time.Second {
		return fmt.Errorf("overload: it takes more than the capacity, for at least 5 s; not %v times for %v", d.times, d.duration)
	}
	fronts := map[string]string{}
	for _, s := range r.Options.Plan.Regions[0].Stacks {
		b, err := d.open(ctx, s.Addr, d.brake)
		if err != nil {
			return err
		}
		r.Defer(b.Close)
		fronts[s.Name] = b.Addr()
	}
	r.Options.Front = func(s topology.Stack) string { return fronts[s.Name] }
	return nil
}

func (d *drill) steps(*scenario.Run) []scenario.Step {
	return []scenario.Step{
		{Name: "set up", Do: d.setUp},
		{Name: "measure the capacity", Do: d.measureCapacity},
		{Name: "overload", Do: d.overload},
	}
}

func (d *drill) slots(r *scenario.Run) int {
	return len(r.Options.Plan.Regions[0].Stacks) * d.brake.Concurrency
}

func (d *drill) setUp(ctx context.Context, r *scenario.Run) error {
	var err error
	shoppers := int(orderShare*float64(d.slots(r))/d.brake.Service.Seconds())*2 + 4
	d.shop, err = openShop(ctx, d.transport, "http://"+r.Options.Plan.Regions[0].Edge, r.Seed, shoppers)
	return err
}

// overload warms the region up, asks for too much, and then for little.
func (d *drill) overload(ctx context.Context, r *scenario.Run) error {
	r.Say("warm-up, then %.0f requests/s for %v", d.times*d.capacity, d.duration)
	orders := d.capacity * orderShare
	d.shop.play(ctx, r.Seed, time.Now(), warmUpFor, d.capacity*calmShare, orders)
	began := time.Now()
	heavy := d.shop.play(ctx, r.Seed+1, began, d.duration, d.capacity*d.times-orders, orders)
	ended := began.Add(d.duration)
	r.Say("%.0f requests/s for %v", d.capacity*calmShare+orders, calmFor)
	// What the overload left under way is under way beside the calm, as it would be.
	calm := d.shop.play(ctx, r.Seed+2, ended, calmFor, d.capacity*calmShare, orders)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	d.heavy = phase{began, ended, heavy()}
	d.calm = phase{ended, ended.Add(calmFor), calm()}
	return nil
}

// measureCapacity counts how many reads a second the region serves when there are always some waiting, but not
// more than it lets in.
func (d *drill) measureCapacity(ctx context.Context, r *scenario.Run) error {
	measured, cancel := context.WithTimeout(ctx, measuring)
	defer cancel()
	var served atomic.Int64
	var crowded sync.WaitGroup
	for range crowd * d.slots(r) {
		crowded.Go(func() {
			for measured.Err() == nil {
				if d.shop.browse(measured).Outcome == history.OK {
					served.Add(1)
				}
			}
		})
	}
	crowded.Wait()
	if served.Load() == 0 {
		return fmt.Errorf("nothing was served within %v", measuring)
	}
	d.capacity = float64(served.Load()) / measuring.Seconds()
	r.Say("capacity: %.1f requests/s, by the brakes at most %.1f", d.capacity, float64(d.slots(r))/d.brake.Service.Seconds())
	return nil
}

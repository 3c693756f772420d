// Package drill breaks a running system on purpose and proves what became of the promises: it starts a
// cluster of its own, puts open-loop load on it, kills a region, heals it, waits until everything has
// settled, and judges every acknowledged order. One seed gives one drill.
package drill

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

// Scenario is the name of the drill that this package has so far.
const Scenario = "kill-region"

// Config says what to drill.
type Config struct {
	Seed     uint64
	Region   regions.Name  // to lose; "" lets the seed draw
	Duration time.Duration // of the load: four parts before the fault, five during, four after
	Rate     float64       // arrivals per second
	Shoppers int
	Commit   string
	Command  string
	Plant    string
}

// parts is the world that a drill works on.
type parts struct {
	catalog *regions.Catalog
	cluster Cluster
	access  load.Access
	changes func() []internet.Change
	pending func(context.Context) (check.Unfinished, error)
	facts   func(context.Context) (check.Facts, error)
	audit   func(context.Context) ([]check.Violation, error)
}

// Cluster is what a drill breaks.
type Cluster interface {
	// Kill ends every process of a region with SIGKILL, its database gateway and its leases.
	Kill(ctx context.Context, region string) (Killed, error)
	// Heal starts what was killed and returns when it serves again.
	Heal(ctx context.Context, region string) error
}

// Killed is what a kill did.
type Killed struct {
	At           time.Time
	LeasesMoveAt time.Time
	Processes    []string
}

// warmUp is for how long the system is loaded before anything counts.
const warmUp = 15 * time.Second

// shortest is the least time of load that leaves room for a recovery and its ten good seconds.
const shortest = 78 * time.Second

func (c Config) validate(catalog *regions.Catalog) error {
	if c.Duration < shortest {
		return fmt.Errorf("drill: %v of load leave no room for a recovery; use at least %v", c.Duration, shortest)
	}
	if _, ok := catalog.Lookup(c.Region); !ok {
		return fmt.Errorf("drill: region %q is not in the catalog: %v", c.Region, catalog.Names())
	}
	return nil
}

// draw returns the region that a seed loses.
func draw(seed uint64, c *regions.Catalog) regions.Name {
	names := c.Names()
	return names[rand.New(rand.NewPCG(seed, 0x726567696f6e)).IntN(len(names))]
}

// run drills a world that is up, and reports. An error means that there is nothing to report.
func run(ctx context.Context, cfg Config, w parts, out io.Writer) (report.Report, error) {
	if cfg.Region == "" {
		cfg.Region = draw(cfg.Seed, w.catalog)
	}
	if err := cfg.validate(w.catalog); err != nil {
		return report.Report{}, err
	}
	h := &history.History{}
	loading := load.Config{
		Seed: cfg.Seed, Rate: cfg.Rate, WarmUp: warmUp, Duration: cfg.Duration, Shoppers: cfg.Shoppers, Hour: load.HourOf(cfg.Seed),
		Cities: internet.Cities(), Access: w.access, History: h, Progress: out,
	}
	l, err := load.New(loading)
	if err != nil {
		return report.Report{}, err
	}
	if err := l.SetUp(ctx); err != nil {
		return report.Report{}, err
	}
	say(out, "load: %.0f requests/s for %v from %d cities; homes: %v", l.Requests(), cfg.Duration, len(loading.Cities), l.Homes())
	loss, result, err := breakUnderLoad(ctx, cfg, w, l, h, out)
	if err != nil {
		return report.Report{}, err
	}
	violations, placed, err := judge(ctx, w, h, out)
	if err != nil {
		return report.Report{}, err
	}
	return report.Build(report.Evidence{
		Scenario: Scenario, Seed: cfg.Seed, Commit: cfg.Commit, Command: cfg.Command, Plant: cfg.Plant, Catalog: w.catalog,
		Ops: h.Ops(), Load: loading, Result: result, Changes: w.changes(), Lost: loss, Placed: placed, Violations: violations,
	}), nil
}

// breakUnderLoad plays the load and, in the middle of it, loses the region and heals it.
func breakUnderLoad(ctx context.Context, cfg Config, w parts, l *load.Load, h *history.History, out io.Writer) (report.Loss, load.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now().Add(warmUp)
	loss := report.Loss{Kind: Scenario, Region: cfg.Region}
	broken := make(chan error, 1)
	go func() {
		err := loseAndHeal(ctx, cfg, w.cluster, began, &loss, out)
		if err != nil {
			cancel(err)
		}
		broken <- err
	}()
	watching, stop := context.WithCancel(ctx)
	go tell(watching, began, h, out)
	result, err := l.Run(ctx)
	stop()
	if failed := <-broken; failed != nil { // and ended the load
		err = failed
	}
	return loss, result, err
}

func loseAndHeal(ctx context.Context, cfg Config, c Cluster, began time.Time, loss *report.Loss, out io.Writer) error {
	part := cfg.Duration / 13
	if err := waitUntil(ctx, began.Add(4*part)); err != nil {
		return err
	}
	killed, err := c.Kill(ctx, string(cfg.Region))
	if err != nil {
		return fmt.Errorf("drill: kill %s: %w", cfg.Region, err)
	}
	loss.At, loss.LeasesMoveAt, loss.Processes = killed.At, killed.LeasesMoveAt, killed.Processes
	say(out, "%5.1fs  killed %s: %d processes", killed.At.Sub(began).Seconds(), cfg.Region, len(killed.Processes))
	if err := waitUntil(ctx, began.Add(9*part)); err != nil {
		return err
	}
	loss.Healed = time.Now()
	say(out, "%5.1fs  healing %s", loss.Healed.Sub(began).Seconds(), cfg.Region)
	if err := c.Heal(ctx, string(cfg.Region)); err != nil {
		return fmt.Errorf("drill: heal %s: %w", cfg.Region, err)
	}
	say(out, "%5.1fs  %s serves again", time.Since(began).Seconds(), cfg.Region)
	return nil
}

func waitUntil(ctx context.Context, t time.Time) error {
	clock := time.NewTimer(time.Until(t))
	defer clock.Stop()
	select {
	case <-clock.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell prints how the load fares every now and then.
func tell(ctx context.Context, began time.Time, h *history.History, out io.Writer) {
	const every = 15 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ok, fail, info := h.Tally(time.Now().Add(-every))
		say(out, "%5.1fs  %d requests/s: %d ok, %d refused, %d unknown in the last %v",
			time.Since(began).Seconds(), int(float64(ok+fail+info)/every.Seconds()), ok, fail, info, every)
	}
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

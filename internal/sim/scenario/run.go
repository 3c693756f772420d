package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

// longest is how much load is drawn for a scenario that ends it itself.
const longest = time.Hour

const (
	refillEvery  = 5 * time.Second
	troubleEvery = 20 * time.Second // from a trouble of the provider's to the next
	troubleTime  = 3 * time.Second  // that each lasts: longer than a call of its takes
)

// Run is one run of a scenario. The command line sets the first fields, Prepare may change what is to be started, and
// the World is there from the first step on.
type Run struct {
	Scenario Scenario
	Seed     uint64
	Load     Load
	Plant    string
	Strict   bool
	Commit   string
	Command  string // that repeats the run

	Options  cluster.Options // of the simulation; Plan is set before Prepare
	Internet internet.Config // before its edges

	World
	Began  time.Time // when the load began, after its warm-up
	Faults []*Fault  // that steps of this package inflicted

	out     *lines
	history history.History
	closers []func()
}

// Defer has something undone when the run ends, the latest first.
func (r *Run) Defer(undo func()) { r.closers = append(r.closers, undo) }

func (r *Run) close() {
	for _, undo := range slices.Backward(r.closers) {
		undo()
	}
}

// Say prints progress: one line, with the time since the load began if it has.
func (r *Run) Say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if since := time.Since(r.Began); !r.Began.IsZero() && since > 0 {
		text = fmt.Sprintf("%5.1fs  %s", since.Seconds(), text)
	}
	_, _ = fmt.Fprintln(r.out, text)
}

// DrawRegion has the seed choose a region if none is named. Scenarios differ in their salt, so that one seed need not lose
// the same region in all of them.
func (r *Run) DrawRegion(name *string, salt uint64) error {
	set := r.Options.Plan.Catalog
	names := set.Names()
	if *name == "" {
		*name = string(names[rand.New(rand.NewPCG(r.Seed, salt)).IntN(len(names))])
	}
	if _, ok := set.Lookup(regions.Name(*name)); !ok {
		return fmt.Errorf("%s: region %q is not in the catalog: %v", r.Scenario.Name, *name, names)
	}
	return nil
}

// Quiet has progress printed nowhere, for a scenario whose output is its result.
func (r *Run) Quiet() { r.out.out = io.Discard }

// Out is where progress goes, for what prints lines of its own.
func (r *Run) Out() io.Writer { return r.out }

// lines lets several goroutines print whole lines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// play plays the scenario on a world that is up. An error means that there is nothing to report.
func (r *Run) play(ctx context.Context) (Verdict, Evidence, error) {
	var e Evidence
	var err error
	if r.Load.Rate > 0 {
		e, err = r.underLoad(ctx)
	} else {
		r.Began = time.Now()
		e.Result.Began = r.Began
		err = r.playSteps(ctx)
	}
	if err != nil {
		return Verdict{}, e, err
	}
	v, err := r.Scenario.Judge(ctx, r, e)
	return v, e, err
}

// underLoad has shoppers arrive while the steps happen, and then waits until all has settled.
func (r *Run) underLoad(ctx context.Context) (Evidence, error) {
	cfg := load.Config{
		Seed: r.Seed, Rate: r.Load.Rate, WarmUp: r.Load.WarmUp, Duration: cmp.Or(r.Load.Duration, longest), Shoppers: r.Load.Shoppers,
		Hour: load.HourOf(r.Seed), Cities: internet.Cities(), Access: r.Net, History: &r.history, Progress: r.out,
	}
	e := Evidence{Load: cfg}
	l, err := load.New(ctx, cfg)
	if err != nil {
		return e, err
	}
	r.Say("load: %.0f requests/s from %d cities; homes: %v", l.Requests(), len(cfg.Cities), l.Homes())
	r.Began = time.Now().Add(r.Load.WarmUp)
	e.Result, err = l.While(ctx, func(ctx context.Context) error {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go r.printProgress(watching)
		go r.refill(watching)
		troubled := make(chan struct{})
		go func() { defer close(troubled); r.troubleProvider(watching) }()
		defer func() { stop(); <-troubled }()
		if err := r.playSteps(ctx); err != nil || r.Load.Duration == 0 {
			return err
		}
		// The schedule ends by itself. A second more than it takes keeps its last arrivals, whose clock started later.
		return clock.Sleep(ctx, time.Until(r.Began.Add(r.Load.Duration+time.Second)))
	})
	if err != nil {
		return e, err
	}
	e.Findings, err = r.Examine(ctx, l.ComeBack)
	e.Ops = r.history.Ops()
	e.Changes = r.Net.Changes()
	return e, err
}

// playSteps does one step after the other, each at its time.
func (r *Run) playSteps(ctx context.Context) error {
	if r.Scenario.Steps == nil {
		return nil
	}
	for _, s := range r.Scenario.Steps(r) {
		due := max(0, time.Until(r.Began.Add(s.At))) + s.After
		if err := clock.Sleep(ctx, due); err != nil {
			return err
		}
		if s.Do == nil {
			continue
		}
		if err := s.Do(ctx, r); err != nil {
			return fmt.Errorf("%s: %s: %w", r.Scenario.Name, s.Name, err)
		}
	}
	return nil
}

// Examine waits until the system has settled, has callers come back, if some do, and reads what it keeps. Steps may call it,
// too, to check between two faults.
func (r *Run) Examine(ctx context.Context, visits ...func(context.Context) error) (Findings, error) {
	left, err := check.Settle(ctx, r.Records.Pending, r.Scenario.Stalled, r.out)
	if err != nil {
		return Findings{}, err
	}
	for _, visit := range visits {
		if err := visit(ctx); err != nil {
			return Findings{}, err
		}
	}
	if left.None() { // else it has not settled, whatever callers did since
		if left, err = check.Settle(ctx, r.Records.Pending, r.Scenario.Stalled, r.out); err != nil {
			return Findings{}, err
		}
	}
	facts, err := r.Records.Facts(ctx)
	if err != nil {
		return Findings{}, err
	}
	audited, err := r.Records.Audit(ctx)
	if err != nil {
		return Findings{}, fmt.Errorf("scenario: audit: %w", err)
	}
	return Findings{Facts: facts, Audited: append(audited, check.Unsettled(left, facts)...)}, nil
}

// printProgress prints how the load fares every now and then.
func (r *Run) printProgress(ctx context.Context) {
	const every = 15 * time.Second
	for clock.Sleep(ctx, every) == nil {
		ok, fail, info := r.history.Tally(time.Now().Add(-every))
		r.Say("%d requests/s: %d ok, %d refused, %d unknown in the last %v",
			int(float64(ok+fail+info)/every.Seconds()), ok, fail, info, every)
	}
}

// refill keeps the shop from being sold out, however long it is open.
func (r *Run) refill(ctx context.Context) {
	for r.DB != nil && clock.Sleep(ctx, refillEvery) == nil {
		// A database that is away is filled another time.
		_, _ = r.DB.Exec(ctx, `WITH filled AS (UPDATE stock SET allotted = allotted + 50, on_hand = on_hand + 50 WHERE on_hand < 5
			RETURNING home_region, sku, allotted)
			INSERT INTO stock_changes (home_region, sku, units, allotted) SELECT home_region, sku, 50, allotted FROM filled`)
	}
}

// troubleProvider has the payment provider hang and die in turns, while whatever else happens. In the end it is well.
func (r *Run) troubleProvider(ctx context.Context) {
	const provider = "provider"
	for n := 0; clock.Sleep(ctx, troubleEvery) == nil; n++ {
		var err error
		if n%2 == 0 {
			_, err = r.Cluster.Break(ctx, cluster.Fault{Kind: cluster.FaultHang, Target: provider})
		} else {
			_, err = r.Cluster.Kill(ctx, provider)
		}
		_ = clock.Sleep(ctx, troubleTime) // it is to be well all the sooner
		if err = errors.Join(err, r.Cluster.Heal(context.WithoutCancel(ctx), provider)); err != nil && ctx.Err() == nil {
			r.Say("the provider: %v", err)
		}
	}
}

// report puts a verdict into its envelope.
func (r *Run) report(e Evidence, v Verdict) (report.Report, error) {
	s := r.Scenario
	if r.Load.Rate > 0 {
		v.Invariants = append(v.Invariants, check.Invariants()...)
	}
	page, err := report.NewPage(s.Page, v.Figures)
	page.Charts = v.Charts
	return report.Report{
		Envelope: report.Envelope{
			SchemaVersion: cmp.Or(s.Schema, "1"), Scenario: s.Name, Seed: r.Seed, Commit: r.Commit, Command: r.Command, Plant: r.Plant,
			StartedAt: e.Result.Began.UTC().Truncate(time.Millisecond), Machine: report.Here(), Model: report.Model + "; callers find edges by the profile " + r.Internet.Name,
			// Empty lists rather than null, so that readers need not tell the two apart.
			Violations: append([]check.Violation{}, v.Violations...), Objectives: append([]report.Objective{}, v.Objectives...),
		},
		Figures: v.Figures, Page: page, Invariants: v.Invariants, Strict: r.Strict,
	}, err
}

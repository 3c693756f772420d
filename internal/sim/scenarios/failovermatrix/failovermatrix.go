// Package failovermatrix breaks one running simulation in every way that a region can fail, one after the other, and
// measures under a light steady load what callers notice: how soon new requests succeed, how many repeatable
// requests fail, and whether anything that must not be done twice was.
//
// Callers enter through the modeled Internet, so that those whose entry edge is lost are led to another one.
// What was done is counted in the database, not by what callers were told.
package failovermatrix

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	patience     = 8 * time.Second         // for an answer
	calm         = 1500 * time.Millisecond // without a fault, before each
	steadyReads  = 12                      // of so many that prefer the region
	steadyEnough = 10                      // it must have answered so many before it is broken
	steadyAtMost = 75 * time.Second
	aftermath    = time.Second // for what was held up to come to its end
	againAtMost  = 3           // measurements that were disturbed are repeated
)

//go:embed page.tmpl
var page string

// entrance is the way to an edge.
type entrance interface {
	Lose() error
	Restore() error
}

// drill is the scenario under way.
type drill struct {
	region string // that fails
	names  []string
	faults []fault

	door    entrance // to the region's edge
	probes  *probes
	stop    func() // ends the probes, once their last answer is there
	history history.History
	broken  []check.Violation // promises, each by the row after which it was
	before  effects           // of the last count
	again   int               // measurements that may still be repeated
	figures Figures

	open    func(*drill, *scenario.Run) error // puts the door before the edge
	effects func(ctx context.Context, r *scenario.Run, l *ledger) (effects, error)
}

// Scenario breaks a region in every way.
func Scenario() scenario.Scenario {
	return (&drill{open: openDoor, effects: readEffects}).scenario()
}

func (d *drill) scenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "failover-matrix", File: "matrix", Schema: "2", Page: page, Takes: 5 * time.Minute,
		Proves: "Break a region in every way, and measure how soon callers are served again",
		Details: "Starts a simulation of its own, puts a light steady load on it and breaks one region in every way that a region\n" +
			"can fail, one after the other. Prints how soon new requests succeed, how many repeatable ones fail, and what was\n" +
			"done twice. After each, everything that callers were told is checked. Fails if something was done twice, an acknowledged\n" +
			"order is not there, or any other promise was broken.",
		Flags: func(fs *pflag.FlagSet) {
			fs.Lookup("seed").Usage = "draws the region and how long leases stall"
			fs.StringVar(&d.region, "region", "", "region to break (default: drawn by the seed)")
			fs.StringSliceVar(&d.names, "faults", nil, "only these: "+strings.Join(faultNames(), ", "))
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

func (d *drill) prepare(_ context.Context, r *scenario.Run) error {
	var err error
	if d.faults, err = choose(d.names); err != nil {
		return err
	}
	if err := r.DrawRegion(&d.region, 0x6d6174726978); err != nil {
		return err
	}
	if len(r.Options.Plan.Regions) < 3 {
		return errors.New("failover-matrix: it takes three regions, since two of them must be a majority")
	}
	r.Say("break %s", d.region)
	d.figures = Figures{Region: regions.Name(d.region), Rows: []Row{}}
	d.again = againAtMost
	r.Options.Provider = scenario.Unreliable(r.Seed)
	return d.open(d, r)
}

// openDoor puts a door before the region's edge, so that callers can lose the way to it.
func openDoor(d *drill, r *scenario.Run) error {
	for i, e := range r.Internet.Edges {
		if e.Region != regions.Name(d.region) {
			continue
		}
		door, err := wan.OpenDoor(e.Addr)
		if err != nil {
			return err
		}
		r.Defer(door.Close)
		r.Internet.Edges[i].Addr = door.Addr()
		d.door = door
	}
	return nil
}

func (d *drill) steps(*scenario.Run) []scenario.Step {
	steps := []scenario.Step{{Name: "set up", Do: d.setUp}}
	for i, f := range d.faults {
		steps = append(steps, scenario.Step{Name: f.name, Do: func(ctx context.Context, r *scenario.Run) error {
			if i > 0 {
				if err := d.forget(ctx, r); err != nil {
					return err
				}
			}
			return d.row(ctx, r, f)
		}})
	}
	return steps
}

// setUp lets the probes ask until the run ends.
func (d *drill) setUp(ctx context.Context, r *scenario.Run) error {
	var err error
	if d.probes, err = setUp(ctx, regions.Name(d.region), r, &d.history); err != nil {
		return err
	}
	d.ask(ctx)
	r.Defer(func() { d.stop() })
	return nil
}

// ask lets the probes ask until stop.
func (d *drill) ask(ctx context.Context) {
	probing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); d.probes.run(probing) }()
	d.stop = func() { stop(); <-done }
}

// check holds all that callers were told so far against what is kept, while nobody asks.
func (d *drill) check(ctx context.Context, r *scenario.Run, after string) error {
	d.stop()
	found, err := r.Examine(ctx)
	if err != nil {
		return err
	}
	for _, v := range append(check.Run(d.history.Ops(), found.Facts), found.Audited...) {
		// What was broken stays so, and is told of once.
		if !slices.ContainsFunc(d.broken, func(known check.Violation) bool { return known.Invariant == v.Invariant }) {
			v.Detail = "after " + after + ": " + v.Detail
			d.broken = append(d.broken, v)
		}
	}
	d.ask(ctx)
	return nil
}

// row measures a fault and counts what was done meanwhile.
func (d *drill) row(ctx context.Context, r *scenario.Run, f fault) error {
	row, err := d.measureWell(ctx, r, f)
	if err != nil {
		return err
	}
	after, err := d.effects(ctx, r, d.probes.ledger)
	if err != nil {
		return err
	}
	row.count(d.before, after)
	d.before = after
	d.figures.Rows = append(d.figures.Rows, row)
	return d.check(ctx, r, f.name)
}

// judge counts once more when nobody asks any more: a request that was under way is done by now, or never will be.
func (d *drill) judge(ctx context.Context, r *scenario.Run, _ scenario.Evidence) (scenario.Verdict, error) {
	d.stop()
	last, err := d.effects(ctx, r, d.probes.ledger)
	if err != nil {
		return scenario.Verdict{}, err
	}
	if late := len(last.repeats) - len(d.before.repeats); late > 0 {
		d.figures.Rows[len(d.figures.Rows)-1].Twice += late
	}
	v := d.figures.verdict(last)
	v.Violations = append(v.Violations, d.broken...)
	v.Invariants = append(v.Invariants, check.Invariants()...)
	return v, nil
}

// forget starts the edges of the living regions anew. Edges remember what failed, and trust it less each time;
// each fault is to be measured as the first.
func (d *drill) forget(ctx context.Context, r *scenario.Run) error {
	for _, n := range r.Catalog.Names() {
		if string(n) == d.region {
			continue
		}
		target := string(n) + "/edge"
		_, err := r.Cluster.Kill(ctx, target)
		if err := errors.Join(err, r.Cluster.Heal(ctx, target)); err != nil {
			return err
		}
	}
	return nil
}

// measureWell measures a fault again if something else disturbed it, as long as there are attempts left.
func (d *drill) measureWell(ctx context.Context, r *scenario.Run, f fault) (Row, error) {
	for measured := 1; ; measured++ {
		r.Say("%s: %s", f.name, f.what)
		row, err := d.measure(ctx, r, f)
		if row.Measured = measured; err != nil || !row.Disturbed || d.again == 0 {
			return row, err
		}
		d.again--
		r.Say("%s: this machine was too busy; a probe was %.0f ms late: once more", f.name, row.LateMs)
		if err := d.forget(ctx, r); err != nil {
			return row, err
		}
	}
}

// measure inflicts one fault, watches, and heals it.
func (d *drill) measure(ctx context.Context, r *scenario.Run, f fault) (Row, error) {
	p := d.probes
	steady, err := p.awaitSteady(ctx)
	if err != nil {
		return Row{}, err
	}
	if err := clock.Sleep(ctx, calm); err != nil {
		return Row{}, err
	}
	asked := time.Now()
	hurt, err := f.inflict(ctx, d, r)
	if err != nil {
		return Row{}, err
	}
	hurt.At = cmp.Or(hurt.At, asked)
	o := observation{fault: f, hurt: hurt}
	if err := clock.Sleep(ctx, time.Until(hurt.At.Add(f.hold))); err != nil {
		return Row{}, err
	}
	o.healing = time.Now()
	if err := f.heal(ctx, d, r); err != nil {
		return Row{}, err
	}
	o.healed = time.Now()
	if err := clock.Sleep(ctx, aftermath); err != nil {
		return Row{}, err
	}
	if err := p.awaitAnswers(ctx, o.healing); err != nil {
		return Row{}, err
	}
	o.samples = p.log.since(asked.Add(-calm))
	o.changes = r.Net.Changes()
	row := o.row(p)
	row.Disturbed = row.Disturbed || !steady
	return row, nil
}

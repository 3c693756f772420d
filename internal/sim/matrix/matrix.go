// Package matrix breaks one running simulation in every way that a region can fail, one after the other, and
// measures under a light steady load what callers notice: how soon new requests succeed, how many repeatable
// requests fail, and whether anything that must not be done twice was.
//
// Callers enter through the modeled Internet, so that those whose entry edge is lost are led to another one.
// What was done is counted in the database, not by what callers were told.
package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// Config says what to measure.
type Config struct {
	Seed    uint64
	Region  regions.Name // that fails
	Faults  []string     // by name; empty: all
	Commit  string
	Command string
}

// Simulation is what the matrix breaks. *cluster.Cluster is one.
type Simulation interface {
	Kill(ctx context.Context, target string) (cluster.FaultReport, error)
	Break(ctx context.Context, f cluster.Fault) (cluster.FaultReport, error)
	Heal(ctx context.Context, target string) error
}

// Network is the Internet between callers and edges; *internet.Internet is one.
type Network interface {
	Access
	Changes() []internet.Change
}

// world is what a matrix works on.
type world struct {
	catalog *regions.Catalog
	sim     Simulation
	net     Network
	doors   map[regions.Name]entrance
	cities  []internet.City
	effects func(ctx context.Context, l *ledger) (effects, error)
}

// entrance is the way to an edge.
type entrance interface {
	Lose() error
	Restore() error
}

const (
	calm         = 1500 * time.Millisecond // without a fault, before each
	steadyReads  = 12                      // of so many that prefer the region
	steadyEnough = 10                      // it must have answered so many before it is broken
	steadyAtMost = 75 * time.Second
	aftermath    = time.Second // for what was held up to come to its end
	againAtMost  = 3           // measurements that were disturbed are repeated
)

// run measures every fault in turn. An error means that there is nothing to report.
func run(ctx context.Context, cfg Config, w world, out io.Writer) (Report, error) {
	faults, err := choose(cfg.Faults)
	if err != nil {
		return Report{}, err
	}
	if _, ok := w.catalog.Lookup(cfg.Region); !ok {
		return Report{}, fmt.Errorf("matrix: region %q is not in the catalog: %v", cfg.Region, w.catalog.Names())
	}
	if len(w.catalog.Names()) < 3 {
		return Report{}, errors.New("matrix: it takes three regions, since two of them must be a majority")
	}
	p, err := setUp(ctx, cfg, w)
	if err != nil {
		return Report{}, err
	}
	report := newReport(cfg)
	probing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); p.run(probing) }()
	defer func() { stop(); <-done }()
	var before effects
	again := againAtMost
	for i, f := range faults {
		if i > 0 {
			if err := forget(ctx, w, cfg.Region); err != nil {
				return Report{}, err
			}
		}
		row, err := measureWell(ctx, w, p, f, &again, out)
		if err != nil {
			return Report{}, fmt.Errorf("matrix: %s: %w", f.name, err)
		}
		after, err := w.effects(ctx, p.ledger)
		if err != nil {
			return Report{}, err
		}
		row.count(before, after)
		before = after
		report.add(row)
	}
	stop()
	<-done
	last, err := w.effects(ctx, p.ledger)
	if err != nil {
		return Report{}, err
	}
	report.finish(before, last)
	return report, nil
}

// forget starts the edges of the living regions anew. Edges remember what failed, and trust it less each time;
// each fault is to be measured as the first.
func forget(ctx context.Context, w world, lost regions.Name) error {
	for _, n := range w.catalog.Names() {
		if n == lost {
			continue
		}
		target := string(n) + "/edge"
		if _, err := w.sim.Kill(ctx, target); err != nil {
			return err
		}
		if err := w.sim.Heal(ctx, target); err != nil {
			return err
		}
	}
	return nil
}

// measureWell measures a fault again if something else disturbed it, as long as there are attempts left.
func measureWell(ctx context.Context, w world, p *probes, f fault, again *int, out io.Writer) (Row, error) {
	for measured := 1; ; measured++ {
		say(out, "%s: %s", f.name, f.what)
		row, err := measure(ctx, w, p, f)
		if row.Measured = measured; err != nil || !row.disturbed || *again == 0 {
			return row, err
		}
		*again--
		say(out, "%s: this machine was too busy; a probe was %.0f ms late: once more", f.name, row.LateMs)
		if err := forget(ctx, w, p.lost); err != nil {
			return row, err
		}
	}
}

// measure inflicts one fault, watches, and heals it.
func measure(ctx context.Context, w world, p *probes, f fault) (Row, error) {
	steady, err := p.awaitSteady(ctx)
	if err != nil {
		return Row{}, err
	}
	if err := clock.Sleep(ctx, calm); err != nil {
		return Row{}, err
	}
	asked := time.Now()
	hurt, err := f.inflict(ctx, w, p.lost)
	if err != nil {
		return Row{}, err
	}
	if hurt.At.IsZero() {
		hurt.At = asked
	}
	o := observation{fault: f, hurt: hurt}
	if err := clock.Sleep(ctx, time.Until(hurt.At.Add(f.hold))); err != nil {
		return Row{}, err
	}
	o.healing = time.Now()
	if err := f.heal(ctx, w, p.lost); err != nil {
		return Row{}, err
	}
	o.healed = time.Now()
	if err := clock.Sleep(ctx, aftermath); err != nil {
		return Row{}, err
	}
	if err := p.awaitAnswers(ctx, o.healing); err != nil {
		return Row{}, err
	}
	o.samples, o.changes = p.log.since(asked.Add(-calm)), w.net.Changes()
	row := o.row(p)
	row.disturbed = row.disturbed || !steady
	return row, nil
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

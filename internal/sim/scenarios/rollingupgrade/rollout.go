package rollingupgrade

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

func (d *drill) migrate(ctx context.Context, r *scenario.Run) error {
	var err error
	if d.schemas[0], err = d.schema(ctx, r); err != nil {
		return err
	}
	if err := r.Cluster.Migrate(ctx, d.to); err != nil {
		return err
	}
	if d.schemas[1], err = d.schema(ctx, r); err != nil {
		return err
	}
	r.Say("migrated while the former release serves: schema %d, was %d", d.schemas[1], d.schemas[0])
	return nil
}

// goingBack returns the processes of the regions that go back.
func (d *drill) goingBack(names []string) []string {
	var chosen []regions.Name
	for _, name := range names {
		if region := regionOf(name); !slices.Contains(chosen, region) && (d.rollback < 0 || len(chosen) < d.rollback) {
			chosen = append(chosen, region)
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(chosen, regionOf(name)) })
}

// since is a moment as the report has it.
func since(r *scenario.Run, t time.Time) float64 { return history.Millis(t.Sub(r.Began)) }

// pass replaces processes one after the other, and counts what each release answered meanwhile and in the calm after.
func (d *drill) pass(ctx context.Context, r *scenario.Run, title string, names []string, program string) error {
	p := Pass{Name: title, At: since(r, time.Now()), Releases: map[Release]ReleaseRequest{}, Steps: []Step{}, from: time.Now()}
	everybody := r.Cluster.Replaceable()
	for _, name := range everybody {
		s, err := d.served(ctx, r, name)
		if err != nil {
			return err
		}
		d.since[name] = s
	}
	for _, name := range names {
		s, err := d.replace(ctx, r, &p, name, program)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", title, name, err)
		}
		p.Steps = append(p.Steps, s)
	}
	if err := clock.Sleep(ctx, d.calm); err != nil {
		return err
	}
	for _, name := range everybody {
		if err := d.count(ctx, r, &p, name); err != nil {
			return err
		}
	}
	p.to = time.Now()
	p.Took = history.Millis(p.to.Sub(p.from))
	d.passes = append(d.passes, p)
	return nil
}

// count adds what a process answered since the pass began or it started to its release's.
func (d *drill) count(ctx context.Context, r *scenario.Run, p *Pass, name string) error {
	s, err := d.served(ctx, r, name)
	if err != nil {
		return err
	}
	c := p.Releases[s.release]
	if n := s.requests - d.since[name].requests; isEdge(name) {
		c.Edges += n
	} else {
		c.Stacks += n
	}
	p.Releases[s.release] = c
	d.since[name] = s
	return nil
}

func (d *drill) replace(ctx context.Context, r *scenario.Run, p *Pass, name, program string) (Step, error) {
	abruptly := r.Plant == NoDrain
	began := time.Now()
	s := Step{Process: name, From: d.since[name].release, At: since(r, began), Orderly: !abruptly}
	if err := d.count(ctx, r, p, name); err != nil {
		return s, err
	}
	if err := r.Cluster.Replace(ctx, name, program, abruptly); err != nil {
		return s, err
	}
	if isEdge(name) {
		if err := awaitAnnounced(ctx, r, regionOf(name)); err != nil {
			return s, err
		}
	}
	now, err := d.served(ctx, r, name)
	if err != nil {
		return s, err
	}
	s.Took = history.Millis(time.Since(began))
	s.To = now.release
	d.since[name] = served{release: now.release}
	r.Say("%-9s %-26s %s → %s in %.1f s", p.Name, name, s.From.Commit(), s.To.Commit(), s.Took/1000)
	return s, nil
}

// awaitAnnounced waits until callers are sent to a region's edge again.
func awaitAnnounced(ctx context.Context, r *scenario.Run, region regions.Name) error {
	ctx, cancel := context.WithTimeoutCause(ctx, announceAtMost, fmt.Errorf("the edge of %s is not announced after %v", region, announceAtMost))
	defer cancel()
	return scenario.Until(ctx, announceEvery, func() (bool, error) { return r.Net.Announced(region), nil })
}

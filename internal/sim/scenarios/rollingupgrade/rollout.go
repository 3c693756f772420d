package rollingupgrade

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// step is one process that was replaced.
type step struct {
	name     string
	from, to string // releases
	began    time.Time
	ready    time.Time // the new process serves; an edge is announced again
	orderly  bool      // the former one left by itself
}

// pass is one way through the regions.
type pass struct {
	name   string
	from   time.Time
	to     time.Time
	steps  []step
	served map[string]counts // by release
}

// counts are requests by who answered them.
type counts struct{ stacks, edges int }

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

// pass replaces processes one after the other, and counts what each release answered meanwhile and in the calm after.
func (d *drill) pass(ctx context.Context, r *scenario.Run, title string, names []string, program string) error {
	p := pass{name: title, from: time.Now(), served: map[string]counts{}}
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
		p.steps = append(p.steps, s)
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
	d.passes = append(d.passes, p)
	return nil
}

// count adds what a process answered since the pass began or it started to its release's.
func (d *drill) count(ctx context.Context, r *scenario.Run, p *pass, name string) error {
	s, err := d.served(ctx, r, name)
	if err != nil {
		return err
	}
	c := p.served[s.release]
	if n := s.requests - d.since[name].requests; isEdge(name) {
		c.edges += n
	} else {
		c.stacks += n
	}
	p.served[s.release] = c
	d.since[name] = s
	return nil
}

func (d *drill) replace(ctx context.Context, r *scenario.Run, p *pass, name, program string) (step, error) {
	abruptly := r.Plant == NoDrain
	s := step{name: name, from: d.since[name].release, began: time.Now(), orderly: !abruptly}
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
	s.ready = time.Now()
	s.to = now.release
	d.since[name] = served{release: now.release}
	r.Say("%-9s %-26s %s → %s in %.1f s", p.name, name, short(s.from), short(s.to), s.ready.Sub(s.began).Seconds())
	return s, nil
}

// awaitAnnounced waits until callers are sent to a region's edge again.
func awaitAnnounced(ctx context.Context, r *scenario.Run, region regions.Name) error {
	ctx, cancel := context.WithTimeoutCause(ctx, announceAtMost, fmt.Errorf("the edge of %s is not announced after %v", region, announceAtMost))
	defer cancel()
	for !r.Net.Announced(region) {
		if err := clock.Sleep(ctx, announceEvery); err != nil {
			return err
		}
	}
	return nil
}

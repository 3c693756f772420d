package upgrade

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
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

// rollout is the change of releases, under way.
type rollout struct {
	cfg   Config
	world world
	out   io.Writer

	schemas [2]int64 // before and after the migrations
	passes  []pass
	since   map[string]served // what each process had answered when the pass began, or when it started
}

// all migrates, brings every region to the new release, and some back to the former one.
func (r *rollout) all(ctx context.Context) error {
	if err := clock.Sleep(ctx, warmUp+r.cfg.Calm); err != nil {
		return err
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	names := r.world.system.Replaceable()
	if err := r.pass(ctx, "upgrade", names, r.cfg.To); err != nil {
		return err
	}
	if back := r.goingBack(names); len(back) > 0 {
		return r.pass(ctx, "rollback", back, r.cfg.From)
	}
	return nil
}

func (r *rollout) migrate(ctx context.Context) error {
	var err error
	if r.schemas[0], err = r.world.schema(ctx); err != nil {
		return err
	}
	if err := r.world.system.Migrate(ctx, r.cfg.To); err != nil {
		return err
	}
	if r.schemas[1], err = r.world.schema(ctx); err != nil {
		return err
	}
	say(r.out, "migrated while the former release serves: schema %d, was %d", r.schemas[1], r.schemas[0])
	return nil
}

// goingBack returns the processes of the regions that go back.
func (r *rollout) goingBack(names []string) []string {
	var chosen []regions.Name
	for _, name := range names {
		if region := regionOf(name); !slices.Contains(chosen, region) && (r.cfg.Rollback < 0 || len(chosen) < r.cfg.Rollback) {
			chosen = append(chosen, region)
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(chosen, regionOf(name)) })
}

// pass replaces processes one after the other, and counts what each release answered meanwhile and in the calm after.
func (r *rollout) pass(ctx context.Context, title string, names []string, program string) error {
	p := pass{name: title, from: time.Now(), served: map[string]counts{}}
	everybody := r.world.system.Replaceable()
	for _, name := range everybody {
		s, err := r.world.served(ctx, name)
		if err != nil {
			return err
		}
		r.since[name] = s
	}
	for _, name := range names {
		s, err := r.replace(ctx, &p, name, program)
		if err != nil {
			return fmt.Errorf("upgrade: %s of %s: %w", title, name, err)
		}
		p.steps = append(p.steps, s)
	}
	if err := clock.Sleep(ctx, r.cfg.Calm); err != nil {
		return err
	}
	for _, name := range everybody {
		if err := r.count(ctx, &p, name); err != nil {
			return err
		}
	}
	p.to = time.Now()
	r.passes = append(r.passes, p)
	return nil
}

// count adds what a process answered since the pass began or it started to its release's.
func (r *rollout) count(ctx context.Context, p *pass, name string) error {
	s, err := r.world.served(ctx, name)
	if err != nil {
		return err
	}
	c := p.served[s.release]
	if n := s.requests - r.since[name].requests; isEdge(name) {
		c.edges += n
	} else {
		c.stacks += n
	}
	p.served[s.release] = c
	r.since[name] = s
	return nil
}

func (r *rollout) replace(ctx context.Context, p *pass, name, program string) (step, error) {
	abruptly := r.cfg.Plant == NoDrain
	s := step{name: name, from: r.since[name].release, began: time.Now(), orderly: !abruptly}
	if err := r.count(ctx, p, name); err != nil {
		return s, err
	}
	if err := r.world.system.Replace(ctx, name, program, abruptly); err != nil {
		return s, err
	}
	if isEdge(name) {
		if err := r.awaitAnnounced(ctx, regionOf(name)); err != nil {
			return s, err
		}
	}
	now, err := r.world.served(ctx, name)
	if err != nil {
		return s, err
	}
	s.ready, s.to = time.Now(), now.release
	r.since[name] = served{release: now.release}
	say(r.out, "%-9s %-26s %s → %s in %.1f s", p.name, name, short(s.from), short(s.to), s.ready.Sub(s.began).Seconds())
	return s, nil
}

// awaitAnnounced waits until callers are sent to a region's edge again.
func (r *rollout) awaitAnnounced(ctx context.Context, region regions.Name) error {
	ctx, cancel := context.WithTimeoutCause(ctx, announceAtMost, fmt.Errorf("the edge of %s is not announced after %v", region, announceAtMost))
	defer cancel()
	for !r.world.announced(region) {
		if err := clock.Sleep(ctx, announceEvery); err != nil {
			return err
		}
	}
	return nil
}

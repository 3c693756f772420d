// Package rollout brings a new version to one region after another, and takes it back where it burns the error budget.
//
// A region's stacks are changed while they serve nobody: the region is drained at every edge, what runs there ends, the
// operator's command changes it, and callers come back once its instances are healthy. Then it is watched for a while:
//
//	drain ─▶ settle ─▶ change ─▶ ready ─▶ undrain ─▶ bake ─▶ next region
//	                      │         │                  │ burns
//	                      └─failed──┴──────────────────┴─▶ drain ─▶ settle ─▶ roll back ─▶ ready ─▶ undrain ─▶ stop
//
// At no time are two regions touched, and none is while another one does not serve. Each step may be repeated, so a
// rollout that was interrupted goes on with the region that it was at.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

// How a rollout ended, but for the end of its context. Errors of Run wrap one of these.
var (
	ErrRefused    = errors.New("rollout: refused")                        // nothing is left half done
	ErrRolledBack = errors.New("rollout: rolled back")                    // the region serves with the version before
	ErrUnproven   = errors.New("rollout: the version cannot be judged")   // the region serves with the new version
	ErrStuck      = errors.New("rollout: a region needs a person's help") // it is left drained
)

// Standing is how a region stands in the eyes of edges.
type Standing struct {
	Healthy, Total int       // instances
	DrainedUntil   time.Time // not after now: not drained
	Reason         string    // of the drain
}

// Fleet is the regions as edges know them, and what edges learn of them. It is used by one goroutine; calls end soon
// after their context.
type Fleet interface {
	// Drain has the edges of every region send new requests elsewhere until a time. A drain that is there is replaced.
	Drain(ctx context.Context, region regions.Name, until time.Time, reason string) error
	// Undrain has them send requests there again.
	Undrain(ctx context.Context, region regions.Name) error
	// Standing tells how a region stands.
	Standing(ctx context.Context, region regions.Name) (Standing, error)
}

// Meter counts requests.
type Meter interface {
	// Count returns a region's requests of the last while, a sample for each way to look at them.
	Count(ctx context.Context, region regions.Name, last time.Duration) ([]Sample, error)
}

// Command changes a region, or changes it back. It may be run again, and its end is its success.
type Command func(ctx context.Context, region regions.Name) error

// Config says how to roll out. Everything is needed.
type Config struct {
	All      []regions.Name // every region
	Regions  []regions.Name // those to change, in this order
	Fleet    Fleet
	Meter    Meter
	Change   Command
	RollBack Command
	Save     func(State) error                      // keeps where the rollout is
	Report   func(region regions.Name, text string) // says what happens

	Objective float64       // share of requests that must be good: above 0, below 1
	Settle    time.Duration // from a drain until what ran in the region has ended
	Limit     time.Duration // longest run of a command
	Ready     time.Duration // longest wait for healthy instances after it
	Bake      time.Duration // how long a changed region is watched
	Poll      time.Duration // between two looks
}

// Rollout is one rollout. Make it with New, and call Run once.
type Rollout struct {
	Config
	state State
}

// New returns a rollout that goes on from a state; the zero State starts one.
func New(c Config, s State) (*Rollout, error) {
	switch {
	case len(c.Regions) == 0 || len(c.All) < 2:
		return nil, errors.New("rollout: it takes a region to change, and another one to serve meanwhile")
	case c.Fleet == nil || c.Meter == nil || c.Change == nil || c.RollBack == nil || c.Save == nil || c.Report == nil:
		return nil, errors.New("rollout: the configuration lacks a part")
	case !(c.Objective > 0 && c.Objective < 1): // NaN too
		return nil, fmt.Errorf("rollout: an objective of %g is not between 0 and 1", c.Objective)
	case c.Settle < 0 || c.Limit <= 0 || c.Ready <= 0 || c.Poll <= 0:
		return nil, errors.New("rollout: times are positive")
	case c.Bake < shortest():
		return nil, fmt.Errorf("rollout: bake for %s at least, or there is nothing to judge by", shortest())
	}
	return &Rollout{Config: c, state: s}, nil
}

// Run changes the regions that are left. It returns nil when all are changed.
func (r *Rollout) Run(ctx context.Context) error {
	if r.state.RolledBack != "" {
		return fmt.Errorf("%w: %s was rolled back in this rollout; start another one when the cause is gone", ErrRefused, r.state.RolledBack)
	}
	for _, n := range r.Regions {
		if r.state.isDone(n) {
			r.Report(n, "is changed already")
			continue
		}
		if err := r.region(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// region changes one region, or takes the change back.
func (r *Rollout) region(ctx context.Context, n regions.Name) error {
	if err := r.Check(ctx, n); err != nil {
		return err
	}
	if n == r.state.Current && r.state.Cause != "" { // interrupted on the way back
		return r.rollBack(ctx, n, errors.New(r.state.Cause))
	}
	// Before the region is touched: who repeats an interrupted command must find it where it stopped.
	if err := r.save(func(s *State) { s.Current = n }); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	cause := r.change(ctx, n, "change", r.Change)
	if cause == nil {
		cause = r.bake(ctx, n)
	}
	switch {
	case cause == nil:
		r.Report(n, "is changed")
		return r.save(func(s *State) { s.Done, s.Current = append(s.Done, n), "" })
	case ctx.Err() != nil:
		return interrupted(ctx, n)
	// None of these says that the change is bad, so taking it back would be as much of a guess as going on.
	case errors.Is(cause, ErrUnproven) || errors.Is(cause, ErrRefused) || errors.Is(cause, ErrStuck):
		return cause
	}
	return r.rollBack(ctx, n, cause)
}

// rollBack takes a change back. It returns an error always.
func (r *Rollout) rollBack(ctx context.Context, n regions.Name, cause error) error {
	r.Report(n, "rolls back: "+cause.Error())
	unsaved := r.save(func(s *State) { s.Cause = cause.Error() }) // what matters now is to be back
	if err := r.change(ctx, n, "roll back", r.RollBack); err != nil {
		if ctx.Err() != nil {
			return interrupted(ctx, n)
		}
		return fmt.Errorf("%w: %s failed (%w), and so did its way back: %w", ErrStuck, n, cause, err)
	}
	unsaved = errors.Join(unsaved, r.save(func(s *State) { s.RolledBack, s.Current = n, "" }))
	return errors.Join(fmt.Errorf("%w: %s: %w", ErrRolledBack, n, cause), unsaved)
}

func interrupted(ctx context.Context, n regions.Name) error {
	return fmt.Errorf("rollout: interrupted at %s, which may be drained; repeat the command to go on: %w", n, ctx.Err())
}

// change runs a command in a region while it is drained, and ends the drain when its instances are healthy.
func (r *Rollout) change(ctx context.Context, n regions.Name, what string, command Command) error {
	// Long enough for everything that follows, so that it cannot end in the midst of it, and by itself.
	until := time.Now().Add(r.Settle + r.Limit + r.Ready + spare)
	if err := r.Fleet.Drain(ctx, n, until, reason); err != nil {
		// Edges of some regions may have been notified already; a drain that half of them know of helps nobody.
		return errors.Join(fmt.Errorf("%w: drain %s: %w", ErrRefused, n, err), r.Fleet.Undrain(ctx, n))
	}
	r.Report(n, fmt.Sprintf("is drained until %s at the latest; what runs there has %s to end", until.UTC().Format(time.TimeOnly), r.Settle))
	if err := clock.Sleep(ctx, r.Settle); err != nil {
		return err
	}
	r.Report(n, what)
	limited, cancel := context.WithTimeout(ctx, r.Limit)
	err := command(limited, n)
	cancel()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := r.ready(ctx, n); err != nil {
		return err
	}
	if err := r.undrain(ctx, n); err != nil {
		return fmt.Errorf("%w: %s is well, but its drain cannot be ended, until it ends by itself: %w", ErrStuck, n, err)
	}
	r.Report(n, "serves again")
	return nil
}

const (
	spare  = 5 * time.Minute // by which a drain is longer than it should need to be
	reason = "rollout"
	steady = 3               // looks in a row that must find every instance healthy
	blind  = 2 * time.Minute // how long burn rates may be unknown
	tries  = 5               // to end a drain
)

// ready waits until every instance of a region is healthy, and stays so.
func (r *Rollout) ready(ctx context.Context, n regions.Name) error {
	deadline := time.Now().Add(r.Ready)
	for good := 0; ; {
		s, err := r.Fleet.Standing(ctx, n)
		// Several looks in a row, since an instance can be healthy for a moment before it dies of its first requests.
		if good++; err != nil || s.Total == 0 || s.Healthy < s.Total {
			good = 0
		}
		switch {
		case good == steady:
			r.Report(n, fmt.Sprintf("%d instances are healthy", s.Total))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline) && err != nil:
			return fmt.Errorf("not ready within %s: %w", r.Ready, err)
		case time.Now().After(deadline):
			return fmt.Errorf("not ready within %s: %d of %d instances are healthy", r.Ready, s.Healthy, s.Total)
		}
		if err := clock.Sleep(ctx, r.Poll); err != nil {
			return err
		}
	}
}

// undrain ends a drain, and tries again: a region that is well must not stay out because one Consul hiccuped.
func (r *Rollout) undrain(ctx context.Context, n regions.Name) error {
	for try := 1; ; try++ {
		err := r.Fleet.Undrain(ctx, n)
		if err == nil || try == tries {
			return err
		}
		if err := clock.Sleep(ctx, r.Poll); err != nil {
			return err
		}
	}
}

// bake watches a region for a while. Its error wraps ErrUnproven when the region may be well and nobody can tell.
func (r *Rollout) bake(ctx context.Context, n regions.Name) error {
	began := time.Now()
	seen := began
	r.Report(n, fmt.Sprintf("is watched for %s", r.Bake))
	for {
		if err := clock.Sleep(ctx, r.Poll); err != nil {
			return err
		}
		since := time.Since(began)
		v, err := r.judge(ctx, n, since)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		// A meter may be gone for a scrape or two. Gone for longer, it could hide the very outage that it is to show.
		case err != nil && time.Since(seen) > blind:
			return fmt.Errorf("%w: no burn rate of %s for %s: %w", ErrUnproven, n, blind, err)
		case err != nil:
			continue
		case v.Burning:
			return errors.New(v.Text)
		case since >= r.Bake && !v.Proven:
			return fmt.Errorf("%w: %s had too few requests in %s (%s)", ErrUnproven, n, r.Bake, v.Text)
		case since >= r.Bake:
			r.Report(n, v.Text)
			return nil
		}
		seen = time.Now()
	}
}

// judge asks for the samples that a judgment needs.
func (r *Rollout) judge(ctx context.Context, n regions.Name, since time.Duration) (Verdict, error) {
	samples := map[time.Duration][]Sample{}
	for _, w := range windows(since) {
		s, err := r.Meter.Count(ctx, n, w)
		if err != nil {
			return Verdict{}, err
		}
		samples[w] = s
	}
	return judge(r.Objective, since, samples), nil
}

func (r *Rollout) save(change func(*State)) error {
	change(&r.state)
	if err := r.Save(r.state); err != nil {
		return fmt.Errorf("rollout: keep where it is: %w", err)
	}
	return nil
}

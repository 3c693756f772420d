package scenario

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

// Fault is something that a step broke.
type Fault struct {
	Kind, Target string
	cluster.FaultReport
	Healed time.Time // when healing began; zero: it was not healed
}

// Kill is what a step does that sends SIGKILL to a region or to a part of one.
func Kill(target string) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		report, err := r.Cluster.Kill(ctx, target)
		if err != nil {
			return err
		}
		r.Faults = append(r.Faults, &Fault{Kind: "kill", Target: target, FaultReport: report})
		r.Say("kill of %s: %d processes, %d links", target, len(report.Processes), len(report.Links))
		return nil
	}
}

// Until looks again and again, so often, and returns once it is so.
func Until(ctx context.Context, every time.Duration, is func() (bool, error)) error {
	for {
		if done, err := is(); done || err != nil {
			return err
		}
		if err := clock.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// Heal is what a step does that undoes all that is wrong with a target; it ends when the target serves again.
func Heal(target string) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		for _, f := range r.Faults {
			if f.Target == target && f.Healed.IsZero() {
				f.Healed = time.Now()
			}
		}
		r.Say("healing %s", target)
		if err := r.Cluster.Heal(ctx, target); err != nil {
			return err
		}
		r.Say("%s serves again", target)
		return nil
	}
}

package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// shortest is the least time of load that leaves room for a recovery and its ten good seconds.
const shortest = 78 * time.Second

// killRegion loses a region under load and heals it.
type killRegion struct {
	region   string
	duration time.Duration // of the load: four parts before the fault, five during, four after
}

// KillRegion loses a whole region under load, and holds every acknowledged order against what is kept.
func KillRegion() scenario.Scenario {
	k := &killRegion{}
	return scenario.Scenario{
		Name: "kill-region", File: "report", Takes: 4 * time.Minute,
		Proves: "Lose a region under load, heal it, and check every acknowledged order",
		Details: "Starts a simulation of its own, puts open-loop load from callers on several continents on it, kills every process\n" +
			"of one region together with its database gateway and its leases, heals it, waits until everything has settled and\n" +
			"checks the invariants. Writes report.html and report.json. Fails if a promise was broken.",
		Load:   scenario.Load{Rate: 24, Shoppers: 110, WarmUp: 15 * time.Second},
		Plants: plant.Names(), PlantHelp: "a bug to plant", ProductPlants: true,
		Flags: func(fs *pflag.FlagSet) {
			fs.Lookup("seed").Usage = "draws the region, the arrivals, what callers choose and how long leases stall"
			fs.StringVar(&k.region, "region", "", "region to lose (default: drawn by the seed)")
			fs.DurationVar(&k.duration, "duration", 195*time.Second, "load after a warm-up: four parts before the fault, five until it is healed, four after")
		},
		Prepare: k.prepare,
		Steps:   k.steps,
		Judge:   k.judge,
	}
}

func (k *killRegion) prepare(_ context.Context, r *scenario.Run) error {
	if k.duration < shortest {
		return fmt.Errorf("kill-region: %v of load leave no room for a recovery; use at least %v", k.duration, shortest)
	}
	r.Load.Duration = k.duration
	if err := r.DrawRegion(&k.region, 0x726567696f6e); err != nil {
		return err
	}
	r.Say("lose %s", k.region)
	return nil
}

func (k *killRegion) steps(*scenario.Run) []scenario.Step {
	part := k.duration / 13
	return []scenario.Step{
		{Name: "kill " + k.region, At: 4 * part, Do: scenario.Kill(k.region)},
		{Name: "heal " + k.region, At: 9 * part, Do: scenario.Heal(k.region)},
	}
}

func (k *killRegion) judge(_ context.Context, r *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
	f := r.Faults[0]
	loss, objectives, vacuous := report.Build(report.Evidence{
		Catalog: r.Catalog, Ops: e.Ops, Load: e.Load, Result: e.Result, Changes: e.Changes, Placed: len(e.Facts.Orders),
		Lost: report.Lost{
			Kind: r.Scenario.Name, Region: regions.Name(k.region), At: f.At, Healed: f.Healed, LeasesMoveAt: f.LeasesMoveAt, Processes: f.Processes,
		},
	})
	page, err := loss.Page()
	page.Title = r.Scenario.Name + " · " + k.region
	return scenario.Verdict{
		Violations: append(e.Violations(), vacuous...), Objectives: objectives, Figures: loss, Page: page,
	}, err
}

// Package killregion loses a whole region under load and heals it, and measures how its callers and everybody else fare
// meanwhile. Every figure is computed from the history alone, the same way each time.
package killregion

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// shortest is the least time of load that leaves room for a recovery and its ten good seconds.
const shortest = 78 * time.Second

const name = "kill-region"

//go:embed page.tmpl
var page string

// drill is the scenario under way.
type drill struct {
	region   string
	duration time.Duration // of the load: four parts before the fault, five during, four after
}

// Scenario loses a whole region under load, and holds every acknowledged order against what is kept.
func Scenario() scenario.Scenario {
	d := &drill{}
	return scenario.Scenario{
		Name: name, File: "report", Page: page, Takes: 4 * time.Minute,
		Proves: "Lose a region under load, heal it, and check every acknowledged order",
		Details: "Starts a simulation of its own, puts open-loop load from callers on several continents on it, kills every process\n" +
			"of one region together with its database gateway and its leases, heals it, waits until everything has settled and\n" +
			"checks the invariants. Writes report.html and report.json. Fails if a promise was broken.",
		Load:   scenario.Load{Rate: 24, Shoppers: 110, WarmUp: 15 * time.Second},
		Plants: []string{plant.LostOutboxRow, plant.DoubleCapture}, PlantHelp: "a bug to plant", ProductPlants: true,
		Flags: func(fs *pflag.FlagSet) {
			fs.Lookup("seed").Usage = "draws the region, the arrivals, what callers choose and how long leases stall"
			fs.StringVar(&d.region, "region", "", "region to lose (default: drawn by the seed)")
			fs.DurationVar(&d.duration, "duration", 195*time.Second, "load after a warm-up: four parts before the fault, five until it is healed, four after")
		},
		Prepare: d.prepare,
		Steps:   d.steps,
		Judge:   d.judge,
	}
}

func (d *drill) prepare(_ context.Context, r *scenario.Run) error {
	if d.duration < shortest {
		return fmt.Errorf("kill-region: %v of load leave no room for a recovery; use at least %v", d.duration, shortest)
	}
	// Five parts of thirteen must hold the withdrawal of the entry, and what follows.
	d.duration = max(d.duration, (r.Internet.Slowest()+20*time.Second)*13/5)
	r.Load.Duration = d.duration
	if err := r.DrawRegion(&d.region, 0x726567696f6e); err != nil {
		return err
	}
	r.Say("lose %s; callers find edges by %s", d.region, r.Internet.Name)
	return nil
}

func (d *drill) steps(*scenario.Run) []scenario.Step {
	part := d.duration / 13
	return []scenario.Step{
		{Name: "kill " + d.region, At: 4 * part, Do: scenario.Kill(d.region)},
		{Name: "heal " + d.region, At: 9 * part, Do: scenario.Heal(d.region)},
	}
}

func (d *drill) judge(_ context.Context, r *scenario.Run, seen scenario.Evidence) (scenario.Verdict, error) {
	e := evidence{seen, r.Catalog, regions.Name(d.region), *r.Faults[0]}
	f := e.figures()
	charts, err := f.charts()
	v := scenario.Verdict{Violations: e.Violations(), Objectives: e.objectives(f), Figures: f, Charts: charts}
	f.guard(&v)
	return v, err
}

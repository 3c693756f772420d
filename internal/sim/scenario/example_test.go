package scenario_test

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// loseRedis is a whole drill: this file, and a line in the registry.
func loseRedis() scenario.Scenario {
	var target string
	var wanted float64
	return scenario.Scenario{
		Name: "lose-redis", Proves: "Orders go on while a region's cache is lost", Takes: time.Minute,
		Page: `{{table "Orders" "" "orders"}}{{row "while lost" .Orders}}`,
		Load: scenario.Load{Rate: 15, Shoppers: 40, WarmUp: time.Second, Duration: 30 * time.Second},
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&target, "target", "us-east-1/redis", "what to lose")
			fs.Float64Var(&wanted, "wanted", 1, "orders to be acknowledged meanwhile")
		},
		Steps: func(*scenario.Run) []scenario.Step {
			return []scenario.Step{
				{Name: "lose the cache", At: 10 * time.Second, Do: scenario.Kill(target)},
				{Name: "heal it", At: 20 * time.Second, Do: scenario.Heal(target)},
			}
		},
		Judge: func(_ context.Context, r *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
			lost := r.Faults[0]
			orders := 0
			for _, op := range e.Ops {
				if op.Kind == history.PlaceOrder && op.Outcome == history.OK && op.Invoked.After(lost.At) && op.Returned.Before(lost.Healed) {
					orders++
				}
			}
			return scenario.Verdict{
				Violations: e.Violations(),
				Objectives: []report.Objective{report.AtLeast("orders_while_lost", "orders acknowledged without the cache", wanted, new(float64(orders)))},
				Figures: struct {
					Orders int `json:"orders_while_lost"`
				}{orders},
			}, nil
		},
	}
}

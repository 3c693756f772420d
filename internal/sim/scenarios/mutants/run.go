package mutants

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// result is what came of one run.
type result struct {
	bit   int      // times
	found []string // invariants that were broken
	said  string   // of what was found
}

// caught reports whether the mistake was made and every invariant noticed that must.
func (r *result) caught(m mutant) bool {
	return r.bit > 0 && !slices.ContainsFunc(m.breaks, func(name string) bool { return !slices.Contains(r.found, name) })
}

// one is the scenario that runs a mutant once.
func one(m mutant, dir string, out *result) scenario.Scenario {
	var s *story
	bitten := filepath.Join(dir, "bitten")
	return scenario.Scenario{
		Name: "mutant", Proves: "one planted mistake is noticed", Regions: scenario.OneRegion(), Stacks: 2,
		Stalled: 20e9, Plants: []string{m.name}, ProductPlants: true,
		Prepare: func(_ context.Context, r *scenario.Run) error {
			r.Options.LoseCommits = m.lose
			r.Options.Provider = []string{
				"--seed", strconv.FormatUint(r.Seed, 10), "--decline-percent", "25", "--lost-percent", "25", "--latency", "10ms",
			}
			if slices.Contains(plant.Names(), m.name) {
				r.Options.Env = append(r.Options.Env, plant.Bitten+"="+bitten)
			} else {
				r.Options.Env = nil // the mistake is not the program's
			}
			return nil
		},
		Steps: func(*scenario.Run) []scenario.Step {
			return []scenario.Step{{Name: "the story", Do: func(ctx context.Context, r *scenario.Run) (err error) {
				if s, err = open(ctx, r); err != nil {
					return err
				}
				return s.live(ctx, m.fault)
			}}}
		},
		Judge: func(ctx context.Context, r *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
			var err error
			e.Findings, err = r.Examine(ctx, s.comeBack, func(ctx context.Context) error {
				for _, sql := range m.rows {
					args := []any{}
					if strings.Contains(sql, "$1") {
						args = append(args, map[bool]string{true: "x"}[m.name == "rows-order-unasked"])
					}
					tag, err := r.DB.Exec(ctx, sql, args...)
					if err != nil {
						return fmt.Errorf("mutants: %s: %w", m.name, err)
					}
					out.bit += int(tag.RowsAffected())
				}
				return nil
			})
			e.Ops = s.h.Ops()
			return scenario.Verdict{Violations: e.Violations()}, err
		},
		Publish: func(_ *scenario.Run, _ io.Writer, v scenario.Verdict) error { return out.take(bitten, v.Violations) },
	}
}

// take notes what was found, and how often the bug bit.
func (r *result) take(bitten string, found []check.Violation) error {
	for _, v := range found {
		r.found = append(r.found, v.Invariant)
		r.said += fmt.Sprintf("%s: %.300s\n", v.Invariant, v.Detail)
	}
	info, err := os.Stat(bitten)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	r.bit += int(info.Size())
	return nil
}

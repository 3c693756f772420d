// Package rollingupgrade replaces every process of a running simulation by another release of the product, region by
// region and instance by instance, and proves that no caller noticed: not one request fails, and every invariant
// holds. Then it goes back, because a release that cannot be taken back is not safe to begin.
//
// The schema is the newer release's from the first step on, so the older release runs on the newer schema before and
// after; the two releases serve beside each other all the time between.
package rollingupgrade

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed page.tmpl
var page string

// NoDrain is the plant: processes are killed, not asked to leave.
const NoDrain = "no-drain"

const (
	silence        = 10 * time.Second // of an edge, before it is taken for lost
	announceAtMost = 30 * time.Second
	announceEvery  = 50 * time.Millisecond
)

// drill is the scenario under way.
type drill struct {
	former   string // the release that runs: a program, or a git reference to build one from
	from, to string // programs
	calm     time.Duration
	check    time.Duration // between two health checks of an edge
	rollback int           // regions that go back afterwards; negative: all

	schemas [2]int64 // before and after the migrations
	passes  []Pass
	since   map[string]served // what each process had answered when the pass began, or when it started

	// How the drill learns about programs, processes and the database.
	identity func(ctx context.Context, program string) (string, error)
	served   func(ctx context.Context, r *scenario.Run, name string) (served, error)
	schema   func(ctx context.Context, r *scenario.Run) (int64, error)
}

// Scenario replaces every process under load, and goes back.
func Scenario() scenario.Scenario {
	return (&drill{identity: identity, schema: schema, served: ask}).scenario()
}

func (d *drill) scenario() scenario.Scenario {
	d.since = map[string]served{}
	return scenario.Scenario{
		Name: "rolling-upgrade", Page: page, Takes: 2 * time.Minute,
		Proves: "Replace every process by this release under load, without a failed request, and go back",
		Details: "Starts a simulation of a former release, puts open-loop load on it, migrates the schema, and replaces every stack and\n" +
			"edge by this release's, region by region and instance by instance; then it goes back. Every request counts. Fails if a\n" +
			"request fails or a promise is broken.",
		Load:   scenario.Load{Rate: 20, Shoppers: 60, WarmUp: 5 * time.Second},
		Plants: []string{NoDrain}, PlantHelp: "a mistake of whoever upgrades",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&d.former, "from", "HEAD~1", "the former release: a meridian program, or a git reference to build one from")
			fs.DurationVar(&d.calm, "calm", 10*time.Second, "load before, between and after")
			fs.DurationVar(&d.check, "check", time.Second, "time between two health checks of an edge")
			fs.IntVar(&d.rollback, "rollback", -1, "regions that go back to the former release afterwards; -1: all")
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

func (d *drill) prepare(ctx context.Context, r *scenario.Run) error {
	if d.calm < time.Second || d.check < 100*time.Millisecond {
		return errors.New("rolling-upgrade: it takes a second of calm and a tenth of one between health checks")
	}
	var err error
	if d.to, err = r.Options.Program(); err != nil {
		return err
	}
	if d.from, err = Program(ctx, ".", d.former, r.Out()); err != nil {
		return err
	}
	from, err := d.identity(ctx, d.from)
	if err != nil {
		return err
	}
	to, err := d.identity(ctx, d.to)
	if err != nil {
		return err
	}
	r.Say("%s → %s", from, to)
	if from == to {
		return fmt.Errorf("rolling-upgrade: both programs are %s: nothing would be shown", to)
	}
	r.Options.Meridian = d.from
	r.Options.Older = true
	r.Options.Leave = d.leave()
	r.Internet.Interval = d.check
	// An edge that leaves declines, and one that is gone refuses, both at once. One that is silent is only slow, on a busy
	// machine: to take it for lost would reset its connections, which counts as failed requests.
	r.Internet.Timeout = silence
	return nil
}

// leave is how processes must leave for nobody to notice. Other edges hear of a stack that leaves within a round
// trip. An edge must be withdrawn by its second failed health check, and then answer what is on its way.
func (d *drill) leave() cluster.Leave {
	return cluster.Leave{
		Stack: cluster.Parting{Delay: time.Second, Timeout: 10 * time.Second},
		Edge:  cluster.Parting{Delay: 4*d.check + 500*time.Millisecond, Timeout: 15 * time.Second},
	}
}

// steps migrate, bring every region to the new release, and some back to the former one.
func (d *drill) steps(*scenario.Run) []scenario.Step {
	return []scenario.Step{
		{Name: "migrate", After: d.calm, Do: d.migrate},
		{Name: "upgrade", Do: func(ctx context.Context, r *scenario.Run) error {
			return d.pass(ctx, r, "upgrade", r.Cluster.Replaceable(), d.to)
		}},
		{Name: "rollback", Do: func(ctx context.Context, r *scenario.Run) error {
			if back := d.goingBack(r.Cluster.Replaceable()); len(back) > 0 {
				return d.pass(ctx, r, "rollback", back, d.from)
			}
			return nil
		}},
	}
}

func (d *drill) judge(_ context.Context, _ *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
	return build(evidence{e, d}), nil
}

// schema returns the last migration that the database has.
func schema(ctx context.Context, r *scenario.Run) (int64, error) {
	var last int64
	if err := r.DB.QueryRow(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&last); err != nil {
		return 0, fmt.Errorf("rolling-upgrade: read the schema's version: %w", err)
	}
	return last, nil
}

// regionOf returns the region of a process, by its name.
func regionOf(name string) regions.Name {
	region, _, _ := strings.Cut(name, "/")
	return regions.Name(region)
}

func isEdge(name string) bool { return strings.HasSuffix(name, "/edge") }

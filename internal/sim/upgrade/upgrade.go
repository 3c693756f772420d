// Package upgrade replaces every process of a running simulation by another release of the product, region by
// region and instance by instance, and proves that no caller noticed: not one request fails, and every invariant
// holds. Then it goes back, because a release that cannot be taken back is not safe to begin.
//
// The schema is the newer release's from the first step on, so the older release runs on the newer schema before and
// after; the two releases serve beside each other all the time between.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/regions"
)

// Scenario is the drill's name.
const Scenario = "rolling-upgrade"

// NoDrain is the plant: processes are killed, not asked to leave.
const NoDrain = "no-drain"

// Config says what to drill.
type Config struct {
	Seed     uint64
	From, To string        // programs: the release that runs, and the one that is to
	Calm     time.Duration // load before, between and after
	Check    time.Duration // between two health checks of an edge
	Rollback int           // regions that go back afterwards; negative: all
	Rate     float64       // arrivals per second
	Shoppers int
	Plant    string
	Commit   string
	Command  string
}

// Leave is how processes must leave for nobody to notice. Other edges hear of a stack that leaves within a round
// trip. An edge must be withdrawn by its second failed health check, and then answer what is on its way.
func (c Config) Leave() cluster.Leave {
	return cluster.Leave{
		Stack: cluster.Parting{Delay: time.Second, Timeout: 10 * time.Second},
		Edge:  cluster.Parting{Delay: 4*c.Check + 500*time.Millisecond, Timeout: 15 * time.Second},
	}
}

func (c Config) validate() error {
	switch {
	case c.From == "" || c.To == "":
		return errors.New("upgrade: it takes two programs")
	case c.Calm < time.Second || c.Check < 100*time.Millisecond:
		return errors.New("upgrade: it takes a second of calm and a tenth of one between health checks")
	case c.Plant != "" && c.Plant != NoDrain:
		return fmt.Errorf("upgrade: nothing is called %q to plant; there is %s", c.Plant, NoDrain)
	}
	return nil
}

// System is what is upgraded; *cluster.Cluster is one.
type System interface {
	// Replaceable lists the stacks and edges by their names, region/part, each region's edge last.
	Replaceable() []string
	Replace(ctx context.Context, name, program string, abruptly bool) error
	Migrate(ctx context.Context, program string) error
}

// world is what the drill works on.
type world struct {
	system    System
	access    load.Access
	changes   func() []internet.Change
	announced func(regions.Name) bool
	served    func(ctx context.Context, name string) (served, error)
	schema    func(ctx context.Context) (int64, error)
	pending   func(context.Context) (check.Unfinished, error)
	facts     func(context.Context) (check.Facts, error)
	audit     func(context.Context) ([]check.Violation, error)
}

const (
	warmUp         = 5 * time.Second
	longest        = time.Hour // of load
	announceAtMost = 30 * time.Second
	announceEvery  = 50 * time.Millisecond
)

// run drills a world that is up, and reports. An error means that there is nothing to report.
func run(ctx context.Context, cfg Config, w world, out io.Writer) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	h := &history.History{}
	l, err := load.New(load.Config{
		Seed: cfg.Seed, Rate: cfg.Rate, WarmUp: warmUp, Duration: longest, Shoppers: cfg.Shoppers, Hour: load.HourOf(cfg.Seed),
		Cities: internet.Cities(), Access: w.access, History: h, Progress: out,
	})
	if err != nil {
		return Report{}, err
	}
	if err := l.SetUp(ctx); err != nil {
		return Report{}, err
	}
	say(out, "load: %.0f requests/s", l.Requests())
	r, result, err := underLoad(ctx, cfg, w, l, out)
	if err != nil {
		return Report{}, err
	}
	left, err := check.Settle(ctx, w.pending, out)
	if err != nil {
		return Report{}, err
	}
	facts, err := w.facts(ctx)
	if err != nil {
		return Report{}, err
	}
	audited, err := w.audit(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("upgrade: audit: %w", err)
	}
	ops := h.Ops()
	found := append(check.Run(ops, facts), audited...)
	return build(evidence{cfg, ops, *r, result, w.changes(), len(facts.Orders), append(found, check.Unsettled(left, facts)...)}), nil
}

// underLoad plays the load while the releases change, and ends it then.
func underLoad(ctx context.Context, cfg Config, w world, l *load.Load, out io.Writer) (*rollout, load.Result, error) {
	r := &rollout{cfg: cfg, world: w, out: out, since: map[string]served{}}
	result, err := l.While(ctx, r.all)
	return r, result, err
}

// regionOf returns the region of a process, by its name.
func regionOf(name string) regions.Name {
	region, _, _ := strings.Cut(name, "/")
	return regions.Name(region)
}

func isEdge(name string) bool { return strings.HasSuffix(name, "/edge") }

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

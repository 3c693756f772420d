package scenario

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
)

// Start makes the world of a run and defers its end.
type Start func(context.Context, *Run) (World, error)

// Simulate starts a simulation of real processes, and the Internet before it.
func Simulate(ctx context.Context, r *Run) (World, error) {
	if r.Load.Rate > 0 && r.Options.Provider == nil {
		r.Options.Provider = Unreliable(r.Seed)
	}
	c, err := cluster.Start(ctx, r.Options)
	if err != nil {
		return World{}, err
	}
	r.Defer(func() { c.Close(context.WithoutCancel(ctx)) })
	net, err := internet.New(r.Internet)
	if err != nil {
		return World{}, err
	}
	r.Defer(net.Close)
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return World{}, fmt.Errorf("scenario: database: %w", err)
	}
	r.Defer(db.Close)
	checking, stop := context.WithCancel(ctx)
	r.Defer(stop)
	go net.Run(checking)
	plan := c.Plan()
	return World{
		Catalog: plan.Catalog, Cluster: c, Server: c.Database(), Net: net, DB: db,
		Records: Records{
			Pending: func(ctx context.Context) (check.Unfinished, error) { return check.Pending(ctx, db) },
			Facts:   func(ctx context.Context) (check.Facts, error) { return check.Collect(ctx, sources(ctx, c, db)) },
			Audit:   func(ctx context.Context) ([]check.Violation, error) { return audit.Run(ctx, db, plan.Catalog, 0) },
		},
	}, nil
}

// Unreliable is a payment provider that declines now and then, and loses answers.
func Unreliable(seed uint64) []string {
	return []string{"--seed", strconv.FormatUint(seed, 10), "--decline-percent", "3", "--lost-percent", "3"}
}

// sources are where a simulation's facts are, once it is well.
func sources(ctx context.Context, c *cluster.Cluster, db *pgxpool.Pool) check.Sources {
	plan := c.Plan()
	s := check.Sources{DB: db, Provider: plan.Provider}
	for _, r := range plan.Regions {
		s.Buses = append(s.Buses, r.Bus)
		for _, stack := range r.Stacks {
			s.Stacks = append(s.Stacks, stack.Admin)
		}
	}
	for _, r := range c.Status(ctx).Regions {
		for _, p := range r.Processes {
			if strings.HasSuffix(p.Name, "/bus") && p.Started.After(s.BusSince) {
				s.BusSince = p.Started // it keeps all in memory
			}
		}
	}
	return s
}

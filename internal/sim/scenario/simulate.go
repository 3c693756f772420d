package scenario

import (
	"context"
	"fmt"

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
			Facts:   func(ctx context.Context) (check.Facts, error) { return check.Collect(ctx, db, plan.Provider) },
			Audit:   func(ctx context.Context) ([]check.Violation, error) { return audit.Run(ctx, db, plan.Catalog, 0) },
		},
	}, nil
}

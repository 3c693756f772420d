package drill

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
)

// simulation makes a running cluster what a drill breaks.
type simulation struct{ *cluster.Cluster }

// Kill implements Cluster.
func (s simulation) Kill(ctx context.Context, region string) (Killed, error) {
	r, err := s.Cluster.Kill(ctx, region)
	return Killed{At: r.At, LeasesMoveAt: r.LeasesMoveAt, Processes: r.Processes}, err
}

// onCluster builds a drill's world around a running cluster. The returned function takes it down again.
func onCluster(ctx context.Context, c *cluster.Cluster) (parts, func(), error) {
	plan := c.Plan()
	net, err := internet.New(internet.Config{Edges: internet.EdgesOf(plan), Cities: internet.Cities()})
	if err != nil {
		return parts{}, nil, err
	}
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return parts{}, nil, fmt.Errorf("drill: database: %w", err)
	}
	checking, stop := context.WithCancel(ctx)
	go net.Run(checking)
	return parts{
			catalog: plan.Catalog,
			cluster: simulation{c},
			access:  net,
			changes: net.Changes,
			pending: func(ctx context.Context) (check.Unfinished, error) { return check.Pending(ctx, db) },
			facts:   func(ctx context.Context) (check.Facts, error) { return check.Collect(ctx, db, plan.Provider) },
			audit:   func(ctx context.Context) ([]check.Violation, error) { return audit.Run(ctx, db, plan.Catalog, 0) },
		}, func() {
			stop()
			net.Close()
			db.Close()
		}, nil
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
)

const (
	databaseName = "meridian"
	appRole      = "meridian_app"
)

// startDatabase starts PostgreSQL, makes the schema, puts the locality model on it and loads the catalog.
func (c *Cluster) startDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var err error
	c.database, err = postgres.Start(ctx, c.supervisor, postgres.Config{
		Dir: filepath.Join(c.state.path, "postgres"), Log: c.log("postgres"),
		Addr: c.plan.Database, Include: locality.SettingsFile, Archive: c.opts.Archive,
	})
	if err != nil {
		return err
	}
	if err := errors.Join(c.database.CreateDatabase(ctx, databaseName), c.database.CreateRole(ctx, appRole)); err != nil {
		return err
	}
	c.say("PostgreSQL runs at %s", c.plan.Database)
	if !c.opts.bare {
		if err := c.prepare(ctx); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, c.DatabaseURL())
	if err != nil {
		return fmt.Errorf("cluster: database: %w", err)
	}
	if c.model, err = locality.Install(ctx, conn, c.plan.Catalog, appRole); err != nil {
		_ = conn.Close(ctx) // Install's error is the one that matters
		return err
	}
	c.say("the locality model is on")
	return nil
}

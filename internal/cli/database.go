package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// openDatabase opens the configured database, and returns the regions that share it. No statement may take longer than slowest.
func openDatabase(ctx context.Context, c config.Config, slowest time.Duration) (*sqldb.DB, *regions.Set, error) {
	if err := c.Require("database.url"); err != nil {
		return nil, nil, err
	}
	set, err := c.RegionSet()
	if err != nil {
		return nil, nil, err
	}
	db, err := sqldb.Open(ctx, sqldb.Config{URL: c.Database.URL, MaxConns: 2, StatementTimeout: slowest})
	return db, set, err
}

// openCatalog opens the database for work on the whole catalog.
func openCatalog(ctx context.Context, c config.Config) (*sqldb.DB, *regions.Set, error) {
	return openDatabase(ctx, c, c.Database.StatementTimeout*10)
}

// withDatabase opens the configured database for as long as a command works on a few rows of it.
func withDatabase(ctx context.Context, c config.Config, do func(*sqldb.DB, *regions.Set) error) error {
	db, set, err := openDatabase(ctx, c, time.Minute)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db, set)
}

// keyOr returns the key that a command was given, or a new one. That is said before anything is done, for whoever cannot
// know afterwards whether it was.
func keyOr(cmd *cobra.Command, given string) string {
	if given != "" {
		return given
	}
	key := rand.Text()
	fmt.Fprintf(cmd.ErrOrStderr(), "the key is %s; with it the command can be repeated safely\n", key)
	return key
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
)

// DatabaseLoss is a way to lose the whole database.
type DatabaseLoss string

// The ways.
const (
	DropDatabase DatabaseLoss = "drop-database" // DROP DATABASE by somebody who may: the server lives, and archives all of its log
	LoseDisk     DatabaseLoss = "lose-disk"     // SIGKILL, and the data is deleted: what was not archived is gone
)

// LoseDatabase loses the database and returns up to where its log is archived.
func (c *Cluster) LoseDatabase(ctx context.Context, how DatabaseLoss) (postgres.LSN, error) {
	c.faults.Lock()
	defer c.faults.Unlock()
	var err error
	switch how {
	case DropDatabase:
		err = c.database.Drop(ctx, databaseName)
	case LoseDisk:
		err = c.database.Lose(ctx)
	default:
		err = fmt.Errorf("cluster: %q is no way to lose a database", how)
	}
	if err != nil {
		return 0, err
	}
	archived, err := c.database.Archived()
	c.say("%s: the database is gone, its log is archived up to %v", how, archived)
	return archived, err
}

// RestoreDatabase brings a lost database back from a backup and the archived log: to the last commit before it was
// dropped, or to the end of the archive. The caches are emptied before it serves, because what they hold may be
// newer. It returns once the database serves; the stacks find it by themselves.
func (c *Cluster) RestoreDatabase(ctx context.Context, b postgres.Backup, lost DatabaseLoss) error {
	c.faults.Lock()
	defer c.faults.Unlock()
	begun := time.Now()
	if err := c.emptyCaches(ctx); err != nil {
		return err
	}
	var until postgres.LSN // of a lost disk: the end
	if lost == DropDatabase {
		var err error
		if until, err = c.database.BeforeDrop(ctx, b.Start); err != nil {
			return err
		}
	}
	restoring, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := c.database.Restore(restoring, b, until); err != nil {
		return err
	}
	if err := c.model.Publish(ctx); err != nil {
		return err
	}
	c.say("the database is restored after %.1f s", time.Since(begun).Seconds())
	return nil
}

// emptyCaches has every region's Redis forget all.
func (c *Cluster) emptyCaches(ctx context.Context) error {
	for _, r := range c.plan.Regions {
		client := redis.NewClient(&redis.Options{Addr: r.Redis})
		if err := errors.Join(client.FlushAll(ctx).Err(), client.Close()); err != nil {
			return fmt.Errorf("cluster: empty the cache of %s: %w", r.Name, err)
		}
	}
	return nil
}

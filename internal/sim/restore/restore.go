// Package restore loses the whole database under load, on purpose, and brings it back from a base backup and the
// archived log: once after a DROP DATABASE, once after the loss of its disk. Then it proves what became of every
// promise.
//
// Whatever was acknowledged before the restored point must be there, and all invariants must hold. What came after
// the point was undone: it is told exactly, with the money that the payment provider moved for orders which the
// restored database does not know.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/regions"
)

// Scenario is the drill's name.
const Scenario = "backup-restore"

// Plant is a mistake of whoever restores, which the drill must find.
type Plant string

// The plants.
const (
	SkipTable    Plant = "skip-table"    // one table comes back empty
	TruncateLogs Plant = "truncated-log" // the archive lost what it had since the backup
)

// Plants lists them.
func Plants() []string { return []string{string(SkipTable), string(TruncateLogs)} }

// Config says what to drill.
type Config struct {
	Seed     uint64
	Losses   []cluster.DatabaseLoss // one after the other
	Calm     time.Duration          // load before and after each step
	Archive  time.Duration          // how long the log waits at most to be archived
	Rate     float64                // arrivals per second
	Shoppers int
	Plant    Plant
	Commit   string
	Command  string
}

// world is what the drill works on.
type world struct {
	catalog  *regions.Catalog
	database Database
	access   load.Access
	pending  func(context.Context) (check.Unfinished, error)
	facts    func(context.Context) (check.Facts, error)
	known    func(context.Context) (map[string]string, error) // the database's payments: state by id
	audit    func(context.Context) ([]check.Violation, error)
	truncate func(ctx context.Context, table string) error
}

// Database is what is lost and restored; *cluster.Cluster is one.
type Database interface {
	BackUp(ctx context.Context, name string) (postgres.Backup, error)
	FollowDatabase(ctx context.Context, every time.Duration) []postgres.Sample
	DatabasePosition(ctx context.Context) (timeline int64, at postgres.LSN, err error)
	ArchivedUntil() (postgres.LSN, error)
	LoseDatabase(ctx context.Context, how cluster.DatabaseLoss) (postgres.LSN, error)
	ForgetArchive(from postgres.LSN) (int, error)
	RestoreDatabase(ctx context.Context, b postgres.Backup, lost cluster.DatabaseLoss) error
}

const (
	warmUp      = 4 * time.Second
	absent      = 1500 * time.Millisecond // for so long nobody restores
	followEvery = 25 * time.Millisecond
	longest     = 30 * time.Minute // of load
	skipped     = "order_lines"    // by SkipTable

	archiveAtMost = time.Minute
)

func (c Config) validate() error {
	switch {
	case len(c.Losses) == 0 || c.Calm < time.Second || c.Archive < time.Second:
		return errors.New("restore: it takes a loss, and at least a second of calm and between archived files")
	case c.Plant != "" && !slices.Contains(Plants(), string(c.Plant)):
		return fmt.Errorf("restore: nothing is called %q to plant; there are %v", c.Plant, Plants())
	case c.Plant == TruncateLogs && c.Losses[len(c.Losses)-1] != cluster.LoseDisk:
		return fmt.Errorf("restore: %s needs %s as the last loss: PostgreSQL itself refuses to end before the point that it is given", TruncateLogs, cluster.LoseDisk)
	}
	for _, l := range c.Losses {
		if l != cluster.DropDatabase && l != cluster.LoseDisk {
			return fmt.Errorf("restore: %q is no loss; there are %s and %s", l, cluster.DropDatabase, cluster.LoseDisk)
		}
	}
	return nil
}

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
	cuts, result, err := underLoad(ctx, cfg, w, l, out)
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
	known, err := w.known(ctx)
	if err != nil {
		return Report{}, err
	}
	audited, err := w.audit(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("restore: audit: %w", err)
	}
	return build(evidence{cfg, h.Ops(), cuts, result, facts, known, append(audited, check.Unsettled(left, facts)...)}), nil
}

// underLoad plays the load while the database is lost and restored, and ends it then.
func underLoad(ctx context.Context, cfg Config, w world, l *load.Load, out io.Writer) ([]cut, load.Result, error) {
	var cuts []cut
	result, err := l.While(ctx, func(ctx context.Context) (err error) {
		cuts, err = loseAndRestoreAll(ctx, cfg, w, out)
		return err
	})
	return cuts, result, err
}

func loseAndRestoreAll(ctx context.Context, cfg Config, w world, out io.Writer) ([]cut, error) {
	if err := clock.Sleep(ctx, warmUp); err != nil {
		return nil, err
	}
	var cuts []cut
	for i, loss := range cfg.Losses {
		plant := cfg.Plant
		if i < len(cfg.Losses)-1 {
			plant = ""
		}
		c, err := loseAndRestore(ctx, cfg, w, loss, plant, fmt.Sprintf("before-%s-%d", loss, i+1), out)
		if err != nil {
			return nil, fmt.Errorf("restore: %s: %w", loss, err)
		}
		cuts = append(cuts, c)
	}
	return cuts, clock.Sleep(ctx, cfg.Calm)
}

// loseAndRestore backs the database up, loses it later, and restores it.
func loseAndRestore(ctx context.Context, cfg Config, w world, loss cluster.DatabaseLoss, plant Plant, name string, out io.Writer) (cut, error) {
	c := cut{loss: loss}
	if err := clock.Sleep(ctx, cfg.Calm); err != nil {
		return c, err
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	samples := make(chan []postgres.Sample, 1)
	go func() { samples <- w.database.FollowDatabase(following, followEvery) }()
	var err error
	if c.timelines[0], _, err = w.database.DatabasePosition(ctx); err != nil {
		return c, err
	}
	c.backup.began = time.Now()
	if c.backup.Backup, err = w.database.BackUp(ctx, name); err != nil {
		return c, err
	}
	c.backup.ended = time.Now()
	say(out, "backup: %d MiB in %.1f s, under load", c.backup.Bytes>>20, c.backup.ended.Sub(c.backup.began).Seconds())
	if err := clock.Sleep(ctx, cfg.Calm); err != nil {
		return c, err
	}
	if loss == cluster.LoseDisk {
		if err := betweenFiles(ctx, cfg, w); err != nil {
			return c, err
		}
	}
	c.lost = time.Now()
	archived, err := w.database.LoseDatabase(ctx, loss)
	if err != nil {
		return c, err
	}
	c.gone = time.Now()
	stop()
	c.archived = archived
	c.point = c.gone // whatever was acknowledged by then is in the archive
	if loss == cluster.LoseDisk {
		c.point = pointOf(<-samples, archived)
	}
	say(out, "%s: what was acknowledged until %.1f s before is archived", loss, c.lost.Sub(c.point).Seconds())
	if err := clock.Sleep(ctx, absent); err != nil {
		return c, err
	}
	return c, bringBack(ctx, w, &c, plant, out)
}

// betweenFiles waits until the log so far is archived, and then for half of the time until the next file is due: some
// of what is acknowledged will be in the archive, and some will not.
func betweenFiles(ctx context.Context, cfg Config, w world) error {
	_, until, err := w.database.DatabasePosition(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, archiveAtMost, fmt.Errorf("the log is not archived up to %v after %v", until, archiveAtMost))
	defer cancel()
	for {
		archived, err := w.database.ArchivedUntil()
		if err != nil {
			return err
		}
		if archived >= until {
			return clock.Sleep(ctx, cfg.Archive/2)
		}
		if err := clock.Sleep(waiting, followEvery); err != nil {
			return err
		}
	}
}

// bringBack restores the database, with the mistake that was asked for.
func bringBack(ctx context.Context, w world, c *cut, plant Plant, out io.Writer) error {
	if plant == TruncateLogs {
		n, err := w.database.ForgetArchive(c.backup.Start)
		if err != nil {
			return err
		}
		say(out, "planted: the archive lost %d files of the log", n)
	}
	c.restoring = time.Now()
	if err := w.database.RestoreDatabase(ctx, c.backup.Backup, c.loss); err != nil {
		return err
	}
	c.open = time.Now()
	if plant == SkipTable {
		if err := w.truncate(ctx, skipped); err != nil {
			return err
		}
		say(out, "planted: %s came back empty", skipped)
	}
	var err error
	if c.timelines[1], _, err = w.database.DatabasePosition(ctx); err != nil {
		return err
	}
	if c.loss == cluster.DropDatabase {
		c.point = c.open // nothing was undone
	}
	say(out, "restored in %.1f s", c.open.Sub(c.restoring).Seconds())
	return nil
}

// pointOf returns the latest moment of which the archive has all: whatever was acknowledged before is in it. The
// zero time means that there is none.
func pointOf(samples []postgres.Sample, archived postgres.LSN) time.Time {
	for _, s := range slices.Backward(samples) {
		if s.LSN <= archived {
			return s.At
		}
	}
	return time.Time{}
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

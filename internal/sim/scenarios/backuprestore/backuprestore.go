// Package backuprestore loses the whole database under load, on purpose, and brings it back from a base backup and the
// archived log: once after a DROP DATABASE, once after the loss of its disk. Then it proves what became of every
// promise.
//
// Whatever was acknowledged before the restored point must be there, and all invariants must hold. What came after
// the point was undone: it is told exactly, with the money that the payment provider moved for orders which the
// restored database does not know.
package backuprestore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// The mistakes of whoever restores, which the drill must find.
const (
	SkipTable    = "skip-table"    // one table comes back empty
	TruncateLogs = "truncated-log" // the archive lost what it had since the backup
)

const (
	absent      = 1500 * time.Millisecond // for so long nobody restores
	followEvery = 25 * time.Millisecond
	skipped     = "order_lines" // by SkipTable

	archiveAtMost = time.Minute

	// Orders are fulfilled so soon that money was taken for some orders that a restore undoes.
	fulfillAfter = "MERIDIAN_ORDER_FULFILL_AFTER=1s"
)

//go:embed page.tmpl
var page string

// drill is the scenario under way.
type drill struct {
	losses  []string      // what happens to the database, one after the other
	calm    time.Duration // load before and after each step
	archive time.Duration // how long the log waits at most to be archived

	cuts []cut // the losses so far

	known    func(context.Context, *scenario.Run) (map[string]string, error) // the database's payments: state by id
	truncate func(ctx context.Context, r *scenario.Run, table string) error
}

// Scenario loses the database under load, in each way, and restores it.
func Scenario() scenario.Scenario { return (&drill{known: payments, truncate: truncate}).scenario() }

func (d *drill) scenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "backup-restore", Page: page, Takes: 2 * time.Minute,
		Proves: "Lose the database under load, restore it, and check every acknowledged order",
		Details: "Starts a simulation of its own whose PostgreSQL archives its log, puts open-loop load on it, takes a base backup under\n" +
			"load, drops the database, restores it to the last commit before; backs up again, kills the server and deletes its data,\n" +
			"restores what was archived; and checks what was acknowledged before the restored points. Reports exactly what was\n" +
			"undone, and the payments to reconcile. Fails if a promise was broken.",
		Load:   scenario.Load{Rate: 20, Shoppers: 60, WarmUp: 4 * time.Second},
		Plants: []string{SkipTable, TruncateLogs}, PlantHelp: "a mistake of whoever restores",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringSliceVar(&d.losses, "losses", []string{string(cluster.DropDatabase), string(cluster.LoseDisk)}, "what happens to the database, one after the other")
			fs.DurationVar(&d.calm, "calm", 12*time.Second, "load before and after each step")
			fs.DurationVar(&d.archive, "archive", 5*time.Second, "how long the log waits at most to be archived: what a lost disk may cost")
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

func (d *drill) prepare(_ context.Context, r *scenario.Run) error {
	switch {
	case len(d.losses) == 0 || d.calm < time.Second || d.archive < time.Second:
		return errors.New("backup-restore: it takes a loss, and at least a second of calm and between archived files")
	case r.Plant == TruncateLogs && d.losses[len(d.losses)-1] != string(cluster.LoseDisk):
		return fmt.Errorf("backup-restore: %s needs %s as the last loss: PostgreSQL itself refuses to end before the point that it is given", TruncateLogs, cluster.LoseDisk)
	}
	for _, l := range d.losses {
		if l != string(cluster.DropDatabase) && l != string(cluster.LoseDisk) {
			return fmt.Errorf("backup-restore: %q is no loss; there are %s and %s", l, cluster.DropDatabase, cluster.LoseDisk)
		}
	}
	r.Options.Archive = d.archive
	r.Options.Env = append(r.Options.Env, fulfillAfter)
	r.Say("losses: %s", strings.Join(d.losses, ", "))
	return nil
}

func (d *drill) steps(r *scenario.Run) []scenario.Step {
	var steps []scenario.Step
	for i, name := range d.losses {
		plant := r.Plant
		if i < len(d.losses)-1 {
			plant = "" // the mistake is made once, at the end
		}
		c := cut{loss: cluster.DatabaseLoss(name)}
		steps = append(steps, scenario.Step{Name: name, After: d.calm, Do: func(ctx context.Context, r *scenario.Run) error {
			if err := d.loseAndRestore(ctx, r, &c, plant, fmt.Sprintf("before-%s-%d", c.loss, i+1)); err != nil {
				return err
			}
			d.cuts = append(d.cuts, c)
			return nil
		}})
	}
	return append(steps, scenario.Step{Name: "calm", After: d.calm})
}

// judge holds what binds of the history against what is there, and tells what was undone.
func (d *drill) judge(ctx context.Context, r *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
	known, err := d.known(ctx, r)
	if err != nil {
		return scenario.Verdict{}, err
	}
	return build(evidence{e, d.cuts, known}), nil
}

// loseAndRestore backs the database up, loses it later, and restores it.
func (d *drill) loseAndRestore(ctx context.Context, r *scenario.Run, c *cut, plant, name string) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	samples := make(chan []postgres.Sample, 1)
	go func() { samples <- r.Server.Follow(following, followEvery) }()
	var err error
	if c.timelines[0], _, err = r.Server.Position(ctx); err != nil {
		return err
	}
	c.backup.began = time.Now()
	if c.backup.Backup, err = r.Server.BackUp(ctx, name); err != nil {
		return err
	}
	c.backup.ended = time.Now()
	r.Say("backup: %d MiB in %.1f s, under load", c.backup.Bytes>>20, c.backup.ended.Sub(c.backup.began).Seconds())
	if err := clock.Sleep(ctx, d.calm); err != nil {
		return err
	}
	if c.loss == cluster.LoseDisk {
		if err := d.betweenFiles(ctx, r); err != nil {
			return err
		}
	}
	c.lost = time.Now()
	archived, err := r.Cluster.LoseDatabase(ctx, c.loss)
	if err != nil {
		return err
	}
	c.gone = time.Now()
	stop()
	c.archived = archived
	c.point = c.gone // whatever was acknowledged by then is in the archive
	if c.loss == cluster.LoseDisk {
		c.point = pointOf(<-samples, archived)
	}
	r.Say("%s: what was acknowledged until %.1f s before is archived", c.loss, c.lost.Sub(c.point).Seconds())
	if err := clock.Sleep(ctx, absent); err != nil {
		return err
	}
	return d.bringBack(ctx, r, c, plant)
}

// betweenFiles waits until the log so far is archived, and then for half of the time until the next file is due: some
// of what is acknowledged will be in the archive, and some will not.
func (d *drill) betweenFiles(ctx context.Context, r *scenario.Run) error {
	_, until, err := r.Server.Position(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, archiveAtMost, fmt.Errorf("the log is not archived up to %v after %v", until, archiveAtMost))
	defer cancel()
	if err := scenario.Until(waiting, followEvery, func() (bool, error) {
		archived, err := r.Server.Archived()
		return archived >= until, err
	}); err != nil {
		return err
	}
	return clock.Sleep(ctx, d.archive/2)
}

// bringBack restores the database, with the mistake that was asked for.
func (d *drill) bringBack(ctx context.Context, r *scenario.Run, c *cut, plant string) error {
	if plant == TruncateLogs {
		n, err := r.Server.Forget(c.backup.Start)
		if err != nil {
			return err
		}
		r.Say("planted: the archive lost %d files of the log", n)
	}
	c.restoring = time.Now()
	if err := r.Cluster.RestoreDatabase(ctx, c.backup.Backup, c.loss); err != nil {
		return err
	}
	c.open = time.Now()
	if plant == SkipTable {
		if err := d.truncate(ctx, r, skipped); err != nil {
			return err
		}
		r.Say("planted: %s came back empty", skipped)
	}
	var err error
	if c.timelines[1], _, err = r.Server.Position(ctx); err != nil {
		return err
	}
	if c.loss == cluster.DropDatabase {
		c.point = c.open // nothing was undone
	}
	r.Say("restored in %.1f s", c.open.Sub(c.restoring).Seconds())
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

// payments reads the database's payments: the state of each by id.
func payments(ctx context.Context, r *scenario.Run) (map[string]string, error) {
	rows, err := r.DB.Query(ctx, `SELECT id, state FROM payments`)
	if err != nil {
		return nil, fmt.Errorf("backup-restore: read payments: %w", err)
	}
	out := map[string]string{}
	var id, state string
	if _, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error { out[id] = state; return nil }); err != nil {
		return nil, fmt.Errorf("backup-restore: read payments: %w", err)
	}
	return out, nil
}

func truncate(ctx context.Context, r *scenario.Run, table string) error {
	if _, err := r.DB.Exec(ctx, "TRUNCATE "+pgx.Identifier{table}.Sanitize()); err != nil {
		return fmt.Errorf("backup-restore: plant: %w", err)
	}
	return nil
}

package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/version"
)

// ErrFailed says that a drill ran to its end and found broken promises.
var ErrFailed = errors.New("restore: failed")

// fulfillAfter is how soon orders are fulfilled: so soon that money was taken for some orders that a restore undoes.
const fulfillAfter = "MERIDIAN_ORDER_FULFILL_AFTER=1s"

// flags are the command line.
type flags struct {
	Config
	cli.Launch
	losses []string
	plant  string
	out    string
}

// Command returns `backup-restore`, a scenario of `drill`.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   Scenario,
		Short: "Lose the database under load, restore it, and check every acknowledged order",
		Long: "Starts a simulation of its own whose PostgreSQL archives its log, puts open-loop load on it, takes a base backup under\n" +
			"load, drops the database, restores it to the last commit before; backs up again, kills the server and deletes its data,\n" +
			"restores what was archived; and checks what was acknowledged before the restored points. Reports exactly what was\n" +
			"undone, and the payments to reconcile. Writes " + HTMLFile + " and " + JSONFile + ". Fails if a promise was broken.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	fs.StringSliceVar(&f.losses, "losses", []string{string(cluster.DropDatabase), string(cluster.LoseDisk)}, "what happens to the database, one after the other")
	fs.DurationVar(&f.Calm, "calm", 12*time.Second, "load before and after each step")
	fs.DurationVar(&f.Archive, "archive", 5*time.Second, "how long the log waits at most to be archived: what a lost disk may cost")
	fs.Float64Var(&f.Rate, "rate", 20, "arrivals per second; each makes 1.3 requests on average")
	fs.IntVar(&f.Shoppers, "shoppers", 60, "accounts")
	fs.StringVar(&f.out, "out", "out", "folder for "+HTMLFile+" and "+JSONFile)
	fs.StringVar(&f.plant, "plant", "", "a mistake of whoever restores, which the drill must find: "+strings.Join(Plants(), ", "))
	return c
}

func (f flags) run(ctx context.Context, out io.Writer) error {
	options, err := f.Options()
	if err != nil {
		return err
	}
	f.Config.Seed, f.Commit, f.Plant = f.Launch.Seed, version.Info().Commit, Plant(f.plant)
	for _, l := range f.losses {
		f.Losses = append(f.Losses, cluster.DatabaseLoss(l))
	}
	f.Command = f.replay()
	say(out, "%s: %s, seed %d, commit %s", Scenario, strings.Join(f.losses, ", "), f.Launch.Seed, f.Commit)
	r, err := Drill(ctx, f.Config, options, out)
	if err != nil {
		return err
	}
	if err := report.Publish(out, f.out, JSONFile, HTMLFile, r, r.page()); err != nil {
		return err
	}
	if len(r.Violations) > 0 {
		return fmt.Errorf("%w: %d violations", ErrFailed, len(r.Violations))
	}
	return nil
}

// replay is the command line that repeats the drill.
func (f flags) replay() string {
	line := fmt.Sprintf("meridian-sim drill %s --seed %d --losses %s --calm %v --archive %v --rate %v --shoppers %d",
		Scenario, f.Launch.Seed, strings.Join(f.losses, ","), f.Calm, f.Archive, f.Rate, f.Shoppers)
	if f.plant != "" {
		line += " --plant=" + f.plant
	}
	return line
}

// Drill starts a simulation, drills it and returns the report. An error means that there is nothing to report.
func Drill(ctx context.Context, cfg Config, options cluster.Options, out io.Writer) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	options.Archive, options.Out = cfg.Archive, out
	options.Env = append(options.Env, fulfillAfter)
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return Report{}, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	plan := c.Plan()
	net, err := internet.New(internet.Config{Edges: internet.EdgesOf(plan), Cities: internet.Cities()})
	if err != nil {
		return Report{}, err
	}
	defer net.Close()
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return Report{}, fmt.Errorf("restore: database: %w", err)
	}
	defer db.Close()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	go net.Run(checking)
	return run(ctx, cfg, world{
		catalog: plan.Catalog, database: c, access: net,
		pending:  func(ctx context.Context) (check.Unfinished, error) { return check.Pending(ctx, db) },
		facts:    func(ctx context.Context) (check.Facts, error) { return check.Collect(ctx, db, plan.Provider) },
		known:    func(ctx context.Context) (map[string]string, error) { return payments(ctx, db) },
		audit:    func(ctx context.Context) ([]check.Violation, error) { return audit.Run(ctx, db, plan.Catalog, 0) },
		truncate: func(ctx context.Context, table string) error { return truncate(ctx, db, table) },
	}, out)
}

// payments reads the database's payments: the state of each by id.
func payments(ctx context.Context, db *pgxpool.Pool) (map[string]string, error) {
	rows, err := db.Query(ctx, `SELECT id, state FROM payments`)
	if err != nil {
		return nil, fmt.Errorf("restore: read payments: %w", err)
	}
	out := map[string]string{}
	var id, state string
	if _, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error { out[id] = state; return nil }); err != nil {
		return nil, fmt.Errorf("restore: read payments: %w", err)
	}
	return out, nil
}

func truncate(ctx context.Context, db *pgxpool.Pool, table string) error {
	if _, err := db.Exec(ctx, "TRUNCATE "+pgx.Identifier{table}.Sanitize()); err != nil {
		return fmt.Errorf("restore: plant: %w", err)
	}
	return nil
}

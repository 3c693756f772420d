package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

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
var ErrFailed = errors.New("upgrade: failed")

// flags are the command line.
type flags struct {
	Config
	cli.Launch
	from string
	out  string
}

// Command returns `rolling-upgrade`, a scenario of `drill`.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   Scenario,
		Short: "Replace every process by this release under load, without a failed request, and go back",
		Long: "Starts a simulation of a former release, puts open-loop load on it, migrates the schema, and replaces every stack and\n" +
			"edge by this release's, region by region and instance by instance; then it goes back. Every request counts. Writes\n" +
			HTMLFile + " and " + JSONFile + ". Fails if a request fails or a promise is broken.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	fs.StringVar(&f.from, "from", "HEAD~1", "the former release: a meridian program, or a git reference to build one from")
	fs.DurationVar(&f.Calm, "calm", 10*time.Second, "load before, between and after")
	fs.DurationVar(&f.Check, "check", time.Second, "time between two health checks of an edge")
	fs.IntVar(&f.Rollback, "rollback", -1, "regions that go back to the former release afterwards; -1: all")
	fs.Float64Var(&f.Rate, "rate", 20, "arrivals per second; each makes 1.3 requests on average")
	fs.IntVar(&f.Shoppers, "shoppers", 60, "accounts")
	fs.StringVar(&f.out, "out", "out", "folder for "+HTMLFile+" and "+JSONFile)
	fs.StringVar(&f.Plant, "plant", "", "a mistake of whoever upgrades, which the drill must find: "+NoDrain)
	return c
}

func (f flags) run(ctx context.Context, out io.Writer) error {
	options, err := f.Options()
	if err != nil {
		return err
	}
	if f.To, err = newer(options); err != nil {
		return err
	}
	if f.Config.From, err = Program(ctx, ".", f.from, out, "-trimpath"); err != nil {
		return err
	}
	f.Config.Seed, f.Commit, f.Command = f.Launch.Seed, version.Info().Commit, f.replay()
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
	line := fmt.Sprintf("meridian-sim drill %s --from %s --seed %d --calm %v --check %v --rollback %d --rate %v --shoppers %d",
		Scenario, f.from, f.Launch.Seed, f.Calm, f.Check, f.Rollback, f.Rate, f.Shoppers)
	if f.Plant != "" {
		line += " --plant=" + f.Plant
	}
	return line
}

// newer is the program of this release: as given, or beside this program.
func newer(o cluster.Options) (string, error) {
	if o.Meridian != "" {
		return filepath.Abs(o.Meridian)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("upgrade: this program's path: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "meridian")
	if _, err := os.Stat(beside); err != nil {
		return "", fmt.Errorf("upgrade: there is no meridian beside this program: %w", err)
	}
	return beside, nil
}

// Drill starts a simulation of the former release, upgrades it and returns the report. An error means that there is
// nothing to report.
func Drill(ctx context.Context, cfg Config, options cluster.Options, out io.Writer) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	from, err := identity(ctx, cfg.From)
	if err != nil {
		return Report{}, err
	}
	to, err := identity(ctx, cfg.To)
	if err != nil {
		return Report{}, err
	}
	say(out, "%s: %s → %s, seed %d", Scenario, from, to, cfg.Seed)
	if from == to {
		return Report{}, fmt.Errorf("upgrade: both programs are %s: nothing would be shown", to)
	}
	options.Meridian, options.Older, options.Leave, options.Out = cfg.From, true, cfg.Leave(), out
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return Report{}, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return onCluster(ctx, cfg, c, out)
}

func onCluster(ctx context.Context, cfg Config, c *cluster.Cluster, out io.Writer) (Report, error) {
	plan := c.Plan()
	net, err := internet.New(internet.Config{
		Edges: internet.EdgesOf(plan), Cities: internet.Cities(), Interval: cfg.Check, Timeout: max(cfg.Check, 500*time.Millisecond),
	})
	if err != nil {
		return Report{}, err
	}
	defer net.Close()
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return Report{}, fmt.Errorf("upgrade: database: %w", err)
	}
	defer db.Close()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	go net.Run(checking)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return run(ctx, cfg, world{
		system: c, access: net, changes: net.Changes, announced: net.Announced,
		served:  func(ctx context.Context, name string) (served, error) { return ask(ctx, client, c.Admin(name)) },
		schema:  func(ctx context.Context) (int64, error) { return schema(ctx, db) },
		pending: func(ctx context.Context) (check.Unfinished, error) { return check.Pending(ctx, db) },
		facts:   func(ctx context.Context) (check.Facts, error) { return check.Collect(ctx, db, plan.Provider) },
		audit:   func(ctx context.Context) ([]check.Violation, error) { return audit.Run(ctx, db, plan.Catalog, 0) },
	}, out)
}

// schema returns the last migration that the database has.
func schema(ctx context.Context, db *pgxpool.Pool) (int64, error) {
	var last int64
	if err := db.QueryRow(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&last); err != nil {
		return 0, fmt.Errorf("upgrade: read the schema's version: %w", err)
	}
	return last, nil
}

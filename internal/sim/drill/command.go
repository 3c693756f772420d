package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/version"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrFailed says that a drill ran to its end and found broken promises.
var ErrFailed = errors.New("drill: failed")

// flags are the command line of a drill.
type flags struct {
	Config
	cli.Launch
	region  string
	out     string
	planted string
	strict  bool
}

// Command returns `drill`, which has one subcommand per scenario.
func Command() *cobra.Command {
	c := &cobra.Command{Use: "drill", Short: "Break a simulation on purpose and prove that nothing was lost"}
	c.AddCommand(killRegion())
	return c
}

func killRegion() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   Scenario,
		Short: "Lose a region under load, heal it, and check every acknowledged order",
		Long: "Starts a simulation of its own, puts open-loop load from callers on several continents on it, kills every process\n" +
			"of one region together with its database gateway and its leases, heals it, waits until everything has settled and\n" +
			"checks the invariants. Writes report.html and report.json. Fails if a promise was broken.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	fs.Lookup("seed").Usage = "draws the region, the arrivals, what callers choose and how long leases stall"
	fs.StringVar(&f.region, "region", "", "region to lose (default: drawn by the seed)")
	fs.DurationVar(&f.Duration, "duration", 195*time.Second, "load after a warm-up: four parts before the fault, five until it is healed, four after")
	fs.Float64Var(&f.Rate, "rate", 24, "arrivals per second; each makes 1.3 requests on average")
	fs.IntVar(&f.Shoppers, "shoppers", 110, "accounts")
	fs.StringVar(&f.out, "out", "out", "folder for report.html and report.json")
	fs.StringVar(&f.Plant, "plant", "", "a bug to plant, which the drill must find: "+strings.Join(plant.Names(), ", "))
	fs.StringVar(&f.planted, "planted-binary", "", "meridian built with -tags plant (default: built now)")
	fs.BoolVar(&f.strict, "strict", false, "fail if an objective is missed, too")
	return c
}

func (f flags) run(ctx context.Context, out io.Writer) error {
	options, err := f.Options()
	if err != nil {
		return err
	}
	options.Out = out
	if f.Region = regions.Name(f.region); f.Region == "" {
		f.Region = draw(f.Launch.Seed, options.Plan.Catalog)
	}
	f.Config.Seed, f.Commit, f.Command = f.Launch.Seed, version.Info().Commit, f.replay()
	if err := f.validate(options.Plan.Catalog); err != nil {
		return err
	}
	if f.Plant != "" {
		if err := f.sow(ctx, &options, out); err != nil {
			return err
		}
	}
	say(out, "drill: lose %s, seed %d, commit %s", f.Region, f.Launch.Seed, f.Commit)
	r, err := drillCluster(ctx, f.Config, options, out)
	if err != nil {
		return err
	}
	if err := report.Write(f.out, r); err != nil {
		return err
	}
	if err := report.Print(out, r); err != nil {
		return err
	}
	say(out, "report: %s", filepath.Join(f.out, report.HTMLFile))
	if !r.Passed(f.strict) {
		return fmt.Errorf("%w: %s", ErrFailed, verdict(r, f.strict))
	}
	return nil
}

func drillCluster(ctx context.Context, cfg Config, options cluster.Options, out io.Writer) (report.Report, error) {
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return report.Report{}, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	world, takeDown, err := onCluster(ctx, c)
	if err != nil {
		return report.Report{}, err
	}
	defer takeDown()
	return run(ctx, cfg, world, out)
}

// replay is the command line that repeats the drill.
func (f flags) replay() string {
	line := fmt.Sprintf("meridian-sim drill %s --seed %d --region %s --duration %v --rate %v --shoppers %d", Scenario, f.Launch.Seed, f.Region, f.Duration, f.Rate, f.Shoppers)
	if f.RegionsFile != "" {
		line += " --regions " + f.RegionsFile
	}
	if f.Plant != "" {
		line += " --plant=" + f.Plant
	}
	return line
}

// sow makes the simulation run a product that has the bug.
func (f flags) sow(ctx context.Context, o *cluster.Options, out io.Writer) error {
	if !slices.Contains(plant.Names(), f.Plant) {
		return fmt.Errorf("drill: no bug is called %q; there are %s", f.Plant, strings.Join(plant.Names(), ", "))
	}
	o.Env = append(o.Env, plant.Env+"="+f.Plant)
	if o.Meridian = f.planted; o.Meridian != "" {
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("drill: cache folder: %w", err)
	}
	o.Meridian = filepath.Join(cache, "meridian", "bin", "meridian-plant")
	say(out, "building meridian with the planted bugs")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "plant", "-o", o.Meridian, "github.com/meridian-commerce/meridian/cmd/meridian")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("drill: build meridian with planted bugs, which takes the source tree (else use --planted-binary): %w\n%s", err, text)
	}
	return nil
}

// verdict names what failed.
func verdict(r report.Report, strict bool) string {
	var names []string
	for _, v := range r.Violations {
		names = append(names, v.Invariant)
	}
	for _, o := range r.Objectives {
		if strict && !o.Met {
			names = append(names, "objective "+o.Name)
		}
	}
	return strings.Join(names, ", ")
}

package overload

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/overload/brake"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/version"
)

// ErrFailed says that an overload was measured to its end and was not as it should be.
var ErrFailed = errors.New("overload: failed")

// oneRegion is the catalog of the simulation.
//
//go:embed region.yaml
var oneRegion []byte

// flags are the command line.
type flags struct {
	Config
	cli.Launch
	out    string
	strict bool
}

// Command returns `overload`, a scenario of `drill`.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "overload",
		Short: "Ask a region for ten times what it can do",
		Long: "Starts a simulation of one region whose stacks have a known capacity, measures it, and asks for ten times as much\n" +
			"for a minute. Prints how much is served, whether orders succeed while browsing is refused, how fast refusals are and\n" +
			"how soon all is well; writes " + File + ". Fails if the figures prove nothing; with --strict also if they miss objectives.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.measure(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	_ = fs.MarkHidden("regions") // it is there
	fs.IntVar(&f.Brake.Concurrency, "concurrency", 5, "requests that a stack serves at a time")
	fs.DurationVar(&f.Brake.Service, "service", 100*time.Millisecond, "how long each takes")
	fs.Float64Var(&f.Times, "times", 10, "how much of the capacity to ask for")
	fs.DurationVar(&f.Duration, "duration", time.Minute, "for how long")
	fs.StringVar(&f.out, "out", "out", "folder for "+File)
	fs.BoolVar(&f.strict, "strict", false, "fail if an objective is missed, too")
	return c
}

func (f flags) measure(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "meridian-overload-")
	if err != nil {
		return fmt.Errorf("overload: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a few bytes
	f.RegionsFile = filepath.Join(dir, "region.yaml")
	if err := os.WriteFile(f.RegionsFile, oneRegion, 0o600); err != nil {
		return fmt.Errorf("overload: %w", err)
	}
	options, err := f.Options()
	if err != nil {
		return err
	}
	options.Out = out
	f.Config.Seed, f.Config.Stacks, f.Commit = f.Launch.Seed, f.Launch.Stacks, version.Info().Commit
	f.Command = fmt.Sprintf("meridian-sim drill overload --seed %d --concurrency %d --service %v --times %v --duration %v --stacks %d",
		f.Launch.Seed, f.Brake.Concurrency, f.Brake.Service, f.Times, f.Duration, f.Launch.Stacks)
	r, err := onCluster(ctx, f.Config, options, out)
	if err != nil {
		return err
	}
	if err := errors.Join(Write(f.out, r), Print(out, r)); err != nil {
		return err
	}
	say(out, "report: %s", filepath.Join(f.out, File))
	if len(r.Violations) > 0 || f.strict && len(r.Missed) > 0 {
		return fmt.Errorf("%w: %d violations, %d objectives missed", ErrFailed, len(r.Violations), len(r.Missed))
	}
	return nil
}

// onCluster starts the simulation behind brakes and measures it.
func onCluster(ctx context.Context, cfg Config, options cluster.Options, out io.Writer) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	region := options.Plan.Regions[0]
	fronts, release, err := openBrakes(ctx, region.Stacks, cfg.Brake)
	defer release()
	if err != nil {
		return Report{}, err
	}
	options.Front = func(s topology.Stack) string { return fronts[s.Name] }
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return Report{}, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return run(ctx, cfg, newShop("http://"+region.Edge, cfg.Seed), out)
}

// openBrakes puts a brake before every stack and returns where each is called.
func openBrakes(ctx context.Context, stacks []topology.Stack, cfg brake.Config) (fronts map[string]string, release func(), err error) {
	fronts, release = map[string]string{}, func() {}
	for _, s := range stacks {
		b, err := brake.Open(ctx, s.Addr, cfg)
		if err != nil {
			return nil, release, err
		}
		others := release
		release = func() { b.Close(); others() }
		fronts[s.Name] = b.Addr()
	}
	return fronts, release, nil
}

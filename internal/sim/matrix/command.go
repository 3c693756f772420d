package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
	"github.com/meridian-commerce/meridian/internal/version"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrFailed says that a matrix was measured to its end and found broken promises.
var ErrFailed = errors.New("matrix: failed")

// flags are the command line.
type flags struct {
	Config
	cli.Launch
	region string
	out    string
	strict bool
}

// Command returns `failover-matrix`, a scenario of `drill`.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "failover-matrix",
		Short: "Break a region in every way, and measure how soon callers are served again",
		Long: "Starts a simulation of its own, puts a light steady load on it and breaks one region in every way that a region\n" +
			"can fail, one after the other. Prints how soon new requests succeed, how many repeatable ones fail, and what was\n" +
			"done twice; writes " + File + ". Fails if something was done twice or an acknowledged order is not there.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	fs.Lookup("seed").Usage = "draws the region and how long leases stall"
	fs.StringVar(&f.region, "region", "", "region to break (default: drawn by the seed)")
	fs.StringSliceVar(&f.Faults, "faults", nil, "only these: "+strings.Join(faultNames(), ", "))
	fs.StringVar(&f.out, "out", "out", "folder for "+File)
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
		names := options.Plan.Catalog.Names()
		f.Region = names[rand.New(rand.NewPCG(f.Launch.Seed, 0x6d6174726978)).IntN(len(names))]
	}
	f.Config.Seed, f.Commit = f.Launch.Seed, version.Info().Commit
	f.Command = fmt.Sprintf("meridian-sim drill failover-matrix --seed %d --region %s", f.Launch.Seed, f.Region)
	say(out, "failover matrix: break %s, seed %d, commit %s", f.Region, f.Launch.Seed, f.Commit)
	r, err := onCluster(ctx, f.Config, options, out)
	if err != nil {
		return err
	}
	if err := errors.Join(Write(f.out, r), Print(out, r)); err != nil {
		return err
	}
	say(out, "report: %s", filepath.Join(f.out, File))
	switch {
	case len(r.Violations) > 0:
		return fmt.Errorf("%w: %d violations", ErrFailed, len(r.Violations))
	case f.strict && len(r.Missed) > 0:
		return fmt.Errorf("%w: %d objectives missed", ErrFailed, len(r.Missed))
	}
	return nil
}

// onCluster starts a simulation, builds the matrix's world around it and measures.
func onCluster(ctx context.Context, cfg Config, options cluster.Options, out io.Writer) (Report, error) {
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return Report{}, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	plan := c.Plan()
	edges, doors, shut, err := openDoors(internet.EdgesOf(plan))
	defer shut()
	if err != nil {
		return Report{}, err
	}
	net, err := internet.New(internet.Config{Edges: edges, Cities: internet.Cities()})
	if err != nil {
		return Report{}, err
	}
	defer net.Close()
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return Report{}, fmt.Errorf("matrix: database: %w", err)
	}
	defer db.Close()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	go net.Run(checking)
	return run(ctx, cfg, world{
		catalog: plan.Catalog, sim: c, net: net, doors: doors, cities: internet.Cities(),
		effects: func(ctx context.Context, l *ledger) (effects, error) { return readEffects(ctx, db, l) },
	}, out)
}

// openDoors puts a door before every edge and returns the edges as they are reached through them.
func openDoors(edges []internet.Edge) ([]internet.Edge, map[regions.Name]entrance, func(), error) {
	doors, shut := map[regions.Name]entrance{}, func() {}
	for i := range edges {
		door, err := wan.OpenDoor(edges[i].Addr)
		if err != nil {
			return nil, nil, shut, err
		}
		others := shut
		shut = func() { door.Close(); others() }
		edges[i].Addr, doors[edges[i].Region] = door.Addr(), door
	}
	return edges, doors, shut, nil
}

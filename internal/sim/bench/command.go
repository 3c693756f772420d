package bench

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/version"
)

//go:embed region.yaml
var oneRegion []byte

// flags are the command line.
type flags struct {
	Config
	cli.Launch
	out string
}

// Command returns `bench`, which measures what requests cost.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what requests, orders and cache entries cost, for `meridian plan`",
		Long: "Starts a simulation of one region with one edge and one stack, asks for one kind of request at a time, a known\n" +
			"number of times, and reads before and after how long the processes ran and what the database wrote. A mixed load\n" +
			"checks the sum. Writes the profile that `meridian plan --profile` reads. It takes about three minutes.",
		Example: "  meridian-sim bench --out profile.json\n  meridian plan --orders-per-second 500 --profile profile.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := c.Flags()
	f.Launch.Add(fs)
	for _, name := range []string{"regions", "stacks"} { // it is one of each
		_ = fs.MarkHidden(name)
	}
	fs.IntVar(&f.People, "people", 120, "accounts to sign up")
	fs.IntVar(&f.Requests, "requests", 8000, "requests of each kind that reads; of kinds that write a quarter")
	fs.IntVar(&f.Workers, "workers", 4, "requests under way at a time")
	fs.DurationVar(&f.Idle, "idle", 15*time.Second, "how long to watch an idle system")
	fs.Float64Var(&f.Rate, "rate", 100, "arrivals per second of the mixed load; each makes 1.3 requests on average")
	fs.DurationVar(&f.Mixed, "mixed", 30*time.Second, "for how long")
	fs.StringVar(&f.out, "out", "", "file for the profile; default: standard output")
	return c
}

func (f flags) run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "meridian-bench-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a few bytes
	f.RegionsFile, f.Stacks = filepath.Join(dir, "region.yaml"), 1
	if err := os.WriteFile(f.RegionsFile, oneRegion, 0o600); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	options, err := f.Options()
	if err != nil {
		return err
	}
	f.Config.Seed = f.Launch.Seed
	progress := out
	if f.out == "" {
		progress = io.Discard
	}
	p := capacity.Profile{
		SchemaVersion: capacity.ProfileVersion, Date: time.Now().UTC().Format(time.DateOnly), Commit: version.Info().Commit,
		Command: fmt.Sprintf("meridian-sim bench --seed %d --people %d --requests %d --workers %d --idle %v --rate %v --mixed %v",
			f.Launch.Seed, f.People, f.Requests, f.Workers, f.Idle, f.Rate, f.Mixed),
		Machine: machine(), Journeys: journeys(),
		Model: "one region, one edge, one stack; PostgreSQL with the locality model instead of CockroachDB",
	}
	if err := onCluster(ctx, f.Config, options, &p, progress); err != nil {
		return err
	}
	return write(p, f.out, out)
}

// write writes a valid profile to a file, or to out without one.
func write(p capacity.Profile, file string, out io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	text = append(text, '\n')
	if file == "" {
		_, err = out.Write(text)
	} else {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("bench: write the profile: %w", err)
	}
	return nil
}

// onCluster starts the simulation and fills in what it measures there.
func onCluster(ctx context.Context, cfg Config, options cluster.Options, p *capacity.Profile, out io.Writer) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	db, err := pgxpool.New(ctx, c.DatabaseURL())
	if err != nil {
		return fmt.Errorf("bench: database: %w", err)
	}
	defer db.Close()
	region := c.Plan().Regions[0]
	callers := newCallers("http://" + region.Edge)
	s, err := newSimulation(ctx, c, db, callers.received.Load)
	if err != nil {
		return err
	}
	m := &measurement{
		cfg: cfg, system: s, ask: callers.ask, out: out,
		settle: func(ctx context.Context) error { return settled(ctx, db) },
	}
	if p.Requests, err = m.all(ctx, callers); err != nil {
		return err
	}
	p.Stack.IdleMillis, p.Edge.IdleMillis = tenth(millis(m.idle.stack)), tenth(millis(m.idle.edge))
	if p.Order, err = orderSize(ctx, db); err != nil {
		return err
	}
	if p.Check, err = m.check(ctx, internet.EdgesOf(c.Plan()), p.Requests); err != nil {
		return err
	}
	say(out, "mixed load, %d requests in %.0f s: edge %.2f s (predicted %.2f), stack %.2f s (predicted %.2f)",
		p.Check.Requests, p.Check.Seconds, p.Check.EdgeMeasured, p.Check.EdgePredicted, p.Check.StackMeasured, p.Check.StackPredicted)
	if p.Cache, err = cacheSizes(ctx, region.Redis); err != nil {
		return err
	}
	for _, prefix := range prefixes(p.Cache) {
		say(out, "cache %-10s %6d keys of %.0f bytes", prefix, p.Cache[prefix].Keys, p.Cache[prefix].BytesPerKey)
	}
	p.Stack.MemoryBytes, err = peakMemory(s.stack)
	var failed error
	p.Edge.MemoryBytes, failed = peakMemory(s.edge)
	return errors.Join(err, failed)
}

// all measures every kind of request.
func (m *measurement) all(ctx context.Context, c *callers) (map[capacity.Request]capacity.Cost, error) {
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	if err := m.watchIdle(ctx); err != nil {
		return nil, err
	}
	costs := map[capacity.Request]capacity.Cost{}
	for _, kind := range capacity.Requests() {
		var besides map[capacity.Request]float64
		if kind == capacity.PlaceOrder {
			if err := errors.Join(c.empty(ctx), m.system.flush(ctx)); err != nil {
				return nil, err
			}
			besides = map[capacity.Request]float64{capacity.SetItem: 1.5}
		}
		cost, err := m.measure(ctx, kind, besides, costs)
		if err != nil {
			return nil, err
		}
		costs[kind] = cost
	}
	return costs, nil
}

// check puts the load generator's mix on the simulation.
func (m *measurement) check(ctx context.Context, edges []internet.Edge, costs map[capacity.Request]capacity.Cost) (capacity.Check, error) {
	net, err := internet.New(internet.Config{Edges: edges, Cities: internet.Cities()})
	if err != nil {
		return capacity.Check{}, err
	}
	defer net.Close()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	go net.Run(checking)
	h := &history.History{}
	l, err := load.New(load.Config{
		Seed: m.cfg.Seed, Rate: m.cfg.Rate, Duration: m.cfg.Mixed, Shoppers: m.cfg.People, Hour: load.HourOf(m.cfg.Seed),
		Cities: internet.Cities(), Access: net, History: h,
	})
	if err != nil {
		return capacity.Check{}, err
	}
	return m.mixed(ctx, l, h, costs)
}

func machine() capacity.Machine {
	m := capacity.Machine{Processor: "unknown", CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	text, _ := os.ReadFile("/proc/cpuinfo") // a courtesy
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(load), &m.Load)
	return m
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/procfs"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// drill is the scenario under way.
type drill struct {
	Config
	file    string // for the profile; "": the output
	profile capacity.Profile
}

// Scenario measures what requests cost. It judges nothing, and its result is a profile in place of a report.
func Scenario() scenario.Scenario {
	d := &drill{}
	return scenario.Scenario{
		Name: "bench", Alone: true, Takes: 4 * time.Minute, Regions: scenario.OneRegion(), Stacks: 1,
		Proves: "Measure what requests, orders and cache entries cost, for `meridian plan`",
		Details: "Starts a simulation of one region with one edge and one stack, asks for one kind of request at a time, a known\n" +
			"number of times, and reads before and after how long the processes ran and what the database wrote. A mixed load\n" +
			"checks the sum. Writes the profile that `meridian plan --profile` reads. It takes about four minutes.",
		Example: "  meridian-sim bench --out profile.json\n  meridian plan --orders-per-second 500 --profile profile.json",
		Flags: func(fs *pflag.FlagSet) {
			fs.IntVar(&d.People, "people", 120, "accounts to sign up")
			fs.IntVar(&d.Requests, "requests", 8000, "requests of each kind that reads; of kinds that write a quarter")
			fs.IntVar(&d.Workers, "workers", 4, "requests under way at a time")
			fs.DurationVar(&d.Idle, "idle", 15*time.Second, "how long to watch an idle system")
			fs.Float64Var(&d.Rate, "rate", 100, "arrivals per second of the mixed load; each makes 1.3 requests on average")
			fs.DurationVar(&d.Mixed, "mixed", 30*time.Second, "for how long")
			fs.StringVar(&d.file, "out", "", "file for the profile; default: standard output")
		},
		Prepare: d.prepare,
		Steps: func(*scenario.Run) []scenario.Step {
			return []scenario.Step{{Name: "measure", Do: d.measure}}
		},
		Judge: func(context.Context, *scenario.Run, scenario.Evidence) (scenario.Verdict, error) {
			return scenario.Verdict{}, nil
		},
		Publish: func(r *scenario.Run, out io.Writer, _ scenario.Verdict) error {
			d.profile.Command = r.Command
			return write(d.profile, d.file, out)
		},
	}
}

func (d *drill) prepare(_ context.Context, r *scenario.Run) error {
	d.Seed = r.Seed
	if d.file == "" {
		r.Quiet() // the output is the profile
	}
	r.Internet.Interval = time.Hour // health checks of the model would be measured with the rest
	d.profile = capacity.Profile{
		SchemaVersion: capacity.ProfileVersion, Date: time.Now().UTC().Format(time.DateOnly), Commit: r.Commit,
		Machine: machine(), Journeys: journeys(),
		Model: "one region, one edge, one stack; PostgreSQL with the locality model instead of CockroachDB",
	}
	return d.validate()
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

// measure fills the profile in.
func (d *drill) measure(ctx context.Context, r *scenario.Run) error {
	region := r.Options.Plan.Regions[0]
	callers := newCallers("http://" + region.Edge)
	s, err := newSimulation(ctx, r, callers.received.Load)
	if err != nil {
		return err
	}
	m := &measurement{
		cfg: d.Config, system: s, ask: callers.ask, say: r.Say,
		settle: func(ctx context.Context) error {
			return scenario.Until(ctx, 200*time.Millisecond, func() (bool, error) {
				left, err := r.Records.Pending(ctx)
				return left.None(), err
			})
		},
	}
	p := &d.profile
	if p.Requests, err = m.all(ctx, callers); err != nil {
		return err
	}
	p.Stack.IdleMillis = tenth(m.idle.StackMicros / 1000)
	p.Edge.IdleMillis = tenth(m.idle.EdgeMicros / 1000)
	if p.Order, err = orderSize(ctx, r.DB); err != nil {
		return err
	}
	if p.Check, err = m.check(ctx, r.Net, p.Requests); err != nil {
		return err
	}
	r.Say("mixed load, %d requests in %.0f s: edge %.2f s (predicted %.2f), stack %.2f s (predicted %.2f)",
		p.Check.Requests, p.Check.Seconds, p.Check.EdgeMeasured, p.Check.EdgePredicted, p.Check.StackMeasured, p.Check.StackPredicted)
	if p.Cache, err = cacheSizes(ctx, region.Redis); err != nil {
		return err
	}
	for _, prefix := range slices.Sorted(maps.Keys(p.Cache)) {
		r.Say("cache %-10s %6d keys of %.0f bytes", prefix, p.Cache[prefix].Keys, p.Cache[prefix].BytesPerKey)
	}
	if _, p.Stack.MemoryBytes, err = process(s.stack); err != nil {
		return err
	}
	_, p.Edge.MemoryBytes, err = process(s.edge)
	return err
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

// machine describes this one. What the kernel does not tell is left out: it is a courtesy.
func machine() capacity.Machine {
	m := capacity.Machine{Processor: "unknown", CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	proc, _ := procfs.NewDefaultFS()
	if processors, _ := proc.CPUInfo(); len(processors) > 0 && processors[0].ModelName != "" {
		m.Processor = processors[0].ModelName
	}
	if load, err := proc.LoadAvg(); err == nil {
		m.Load = load.Load1
	}
	return m
}

package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

// Command returns `load`, which puts open-loop load on a running simulation.
func Command() *cobra.Command {
	var which cli.Which
	cfg := Config{}
	c := &cobra.Command{
		Use:   "load",
		Short: "Put open-loop load on a running simulation",
		Long: "Signs up shoppers in cities on several continents and lets them browse, fill carts and order, at the times that\n" +
			"the seed draws, whether or not the system keeps up. Prints a table of what they saw.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := which.Plan()
			if err != nil {
				return err
			}
			return onPlan(cmd.Context(), plan, cfg, cmd.OutOrStdout())
		},
	}
	which.Add(c.Flags())
	c.Flags().Uint64Var(&cfg.Seed, "seed", 1, "draws the arrivals and all that callers choose")
	c.Flags().Float64Var(&cfg.Rate, "rate", 24, "arrivals per second; each makes 1.3 requests on average")
	c.Flags().DurationVar(&cfg.Duration, "duration", time.Minute, "how long")
	c.Flags().IntVar(&cfg.Shoppers, "shoppers", 60, "accounts to sign up")
	return c
}

// onPlan loads the simulation that runs at a plan's addresses and prints what its callers saw.
func onPlan(ctx context.Context, plan *topology.Plan, cfg Config, out io.Writer) error {
	net, err := internet.New(internet.Config{Edges: internet.EdgesOf(plan), Cities: internet.Cities()})
	if err != nil {
		return err
	}
	defer net.Close()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	go net.Run(checking)
	cfg.Hour = HourOf(cfg.Seed)
	cfg.Cities = internet.Cities()
	cfg.Access = net
	cfg.History = &history.History{}
	cfg.Progress = out
	l, err := New(ctx, cfg)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "load for %v: about %.0f requests/s\n", cfg.Duration, l.Requests())
	result, err := l.Run(ctx)
	if err != nil {
		return err
	}
	return Print(out, result, cfg.History.Ops())
}

// row sums up the requests of a kind.
type row struct {
	outcomes     map[history.Outcome]int
	caller, edge history.Latencies
}

// Print writes a table of what callers saw since the load began, by kind of request: outcomes, and the
// latencies of those that succeeded as callers saw them and inside the edge.
func Print(w io.Writer, r Result, ops []history.Op) error {
	rows := map[history.Kind]*row{}
	for _, op := range ops {
		if op.Kind == history.WatchMessage || op.Intended.Before(r.Began) {
			continue
		}
		at := rows[op.Kind]
		if at == nil {
			at = &row{outcomes: map[history.Outcome]int{}}
			rows[op.Kind] = at
		}
		at.outcomes[op.Outcome]++
		if op.Outcome == history.OK {
			at.caller = append(at.caller, op.Latency())
			at.edge = append(at.edge, op.Edge)
		}
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }
	ms := func(l history.Latencies, percentile float64) float64 { return *cmp.Or(l.At(percentile), new(0.0)) }
	p("request\tok\trefused\tunknown\tcaller p50\tp99\tedge p50\tp99 ms\t")
	for _, kind := range slices.Sorted(maps.Keys(rows)) {
		k := rows[kind]
		p("%s\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t", kind, k.outcomes[history.OK], k.outcomes[history.Fail], k.outcomes[history.Info],
			ms(k.caller, 50), ms(k.caller, 99), ms(k.edge, 50), ms(k.edge, 99))
	}
	p("\t\t\t\t\t\t\t\t")
	if err := t.Flush(); err != nil {
		return fmt.Errorf("load: print: %w", err)
	}
	_, err := fmt.Fprintf(w, "%d arrivals, %d dropped; the latest set off %v late\n", r.Arrivals, r.Dropped, r.MaxStartDelay.Round(100*time.Microsecond))
	return err
}

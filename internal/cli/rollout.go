package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rollout"
	"github.com/meridian-commerce/meridian/regions"
)

// rolledBack is the exit code of a rollout that took a region back.
const rolledBack = 3

// rolloutFlags are the flags of `meridian rollout`.
type rolloutFlags struct {
	change, back, state              string
	order, prometheus                []string
	objective                        float64
	settle, limit, ready, bake, poll time.Duration
	dryRun                           bool
}

func rolloutCommand() *cobra.Command {
	var f rolloutFlags
	cmd := configured(&cobra.Command{
		Use: "rollout", Short: "Bring a new version to one region after the other, and back where it burns the error budget", Args: cobra.NoArgs,
		Long: "Bring a new version to one region after the other. Each is drained, changed by --exec, undrained once Consul\n" +
			"lists only healthy instances, and watched; where it burns the error budget, --rollback-exec takes it back and the\n" +
			"rollout stops. One that was interrupted goes on when the command is repeated. The exit code is 3 when a region was\n" +
			"rolled back, 1 when the rollout stopped otherwise.",
		Example: "  meridian rollout --config edge.yaml --prometheus http://prometheus:9090 \\\n" +
			"    --exec 'kubectl --context {region} apply --server-side -k site/{region} && kubectl --context {region} -n meridian rollout status deployment,daemonset' \\\n" +
			"    --rollback-exec 'kubectl --context {region} apply --server-side -k site-before/{region} && kubectl --context {region} -n meridian rollout status deployment,daemonset'",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error { return runRollout(cmd, c, f) })
	flags := cmd.Flags()
	flags.StringVar(&f.change, "exec", "", "shell command that changes a region, with its name for {region}; it ends when the change is complete")
	flags.StringVar(&f.back, "rollback-exec", "", "shell command that takes the change back")
	flags.StringSliceVar(&f.prometheus, "prometheus", nil, "URL of the Prometheus that scrapes the edges of every region, or of each region's own")
	flags.StringVar(&f.state, "state", "meridian-rollout.json", "file that keeps where the rollout is; it is removed at its end")
	flags.StringSliceVar(&f.order, "order", nil, "regions to change, in this order; default: all, those with the least traffic first")
	flags.Float64Var(&f.objective, "objective", 0.999, "share of requests that must be good")
	flags.DurationVar(&f.settle, "settle", 30*time.Second, "from a drain until what ran in the region has ended")
	flags.DurationVar(&f.limit, "exec-timeout", 20*time.Minute, "longest run of a command")
	flags.DurationVar(&f.ready, "ready-timeout", 5*time.Minute, "longest wait for healthy instances after it")
	flags.DurationVar(&f.bake, "bake", 30*time.Minute, "how long a changed region is watched")
	flags.DurationVar(&f.poll, "poll", 10*time.Second, "between two looks at instances and burn rates")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check and print what would be done, and do nothing")
	return cmd
}

func runRollout(cmd *cobra.Command, c config.Config, f rolloutFlags) error {
	if f.change == "" || f.back == "" {
		return fmt.Errorf("%w: --exec and --rollback-exec are needed", errUsage)
	}
	set, err := c.RegionSet()
	if err != nil {
		return err
	}
	meter, err := rollout.NewPrometheus(f.prometheus...)
	if err != nil {
		return fmt.Errorf("%w: --prometheus: %w", errUsage, err)
	}
	fleet, err := fleetOf(c, set)
	if err != nil {
		return err
	}
	state, err := f.begin(cmd.Context(), set, meter)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	r, err := rollout.New(rollout.Config{
		All: set.Names(), Regions: state.Regions, Fleet: fleet, Meter: meter,
		Change: rollout.Shell(f.change, out), RollBack: rollout.Shell(f.back, out), Save: rollout.SaveTo(f.state),
		Report: func(n regions.Name, text string) {
			fmt.Fprintf(out, "%s %-18s %s\n", time.Now().UTC().Format(time.TimeOnly), n, text)
		},
		Objective: f.objective, Settle: f.settle, Limit: f.limit, Ready: f.ready, Bake: f.bake, Poll: f.poll,
	}, state)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.dryRun {
		return errors.Join(r.Print(out), r.Check(cmd.Context(), state.Next()))
	}
	if err := r.Run(cmd.Context()); err != nil {
		return err
	}
	if err := os.Remove(f.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Internal, "FILE_UNWRITABLE", "every region is changed, but %s cannot be removed: do that before the next rollout", f.state)
	}
	_, err = fmt.Fprintln(out, "every region is changed")
	return err
}

// begin returns where the rollout is: at its beginning, or where an interrupted one with the same command left off.
func (f *rolloutFlags) begin(ctx context.Context, set *regions.Set, meter *rollout.Prometheus) (rollout.State, error) {
	state, found, err := rollout.Load(f.state)
	if err != nil {
		return state, err
	}
	if found && state.Change != f.change {
		return state, fault.New(fault.Invalid, "ROLLOUT_OTHER",
			"%s is of a rollout with another command, which did not end: `%s`. Finish that one, or remove the file", f.state, state.Change)
	}
	if found {
		return state, nil
	}
	state = rollout.State{Change: f.change}
	for _, name := range f.order {
		n := regions.Name(name)
		if _, known := set.Lookup(n); !known || slices.Contains(state.Regions, n) {
			return state, fault.New(fault.Invalid, "REGION_UNKNOWN", "--order names %q, which is no region or twice there; there are %v", name, set.Names())
		}
		state.Regions = append(state.Regions, n)
	}
	if len(f.order) > 0 {
		return state, nil
	}
	traffic, err := meter.Traffic(ctx, set.Names())
	if err != nil {
		return state, fault.Wrap(err, fault.Unavailable, "PROMETHEUS_UNREACHABLE", "the regions' traffic is not known; give --order, or have Prometheus answer")
	}
	state.Regions = rollout.Order(set.Names(), traffic)
	return state, nil
}

// fleetOf reaches the Consul of every region, as `meridian region` does.
func fleetOf(c config.Config, set *regions.Set) (*rollout.Consul, error) {
	var agents []rollout.Agent
	for _, n := range set.Names() {
		a := rollout.Agent{Region: n, Address: c.Edge.Consul[string(n)]}
		if a.Address == "" {
			a.Address = c.Consul.Address
			a.Datacenter = n
		}
		if a.Address == "" {
			return nil, fault.New(fault.Invalid, "CONFIG_INVALID", "no Consul is known for %s: give --edge.consul or --consul.address", n)
		}
		agents = append(agents, a)
	}
	return rollout.NewConsul(agents)
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

func regionCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "region", Short: "Take a region out of service, and back",
		Long: "Take a region out of service, and back.\n\nEvery edge asks its own region's Consul, so each of these is notified: at its address in edge.consul,\n" +
			"or through the agent at consul.address.",
	}
	var lasts time.Duration
	var reason string
	drain := configured(&cobra.Command{
		Use: "drain REGION", Short: "Send new requests elsewhere for a while; running ones finish", Args: oneArgument,
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		now := time.Now().UTC().Truncate(time.Second)
		if lasts < discovery.MinDrain || lasts > discovery.MaxDrain {
			return fault.New(fault.Invalid, "DRAIN_LENGTH", "--for is %s to %s", discovery.MinDrain, discovery.MaxDrain)
		}
		d := discovery.Drain{Since: now, Until: now.Add(lasts), Reason: reason}
		err := tellEdges(cmd, c, args[0], func(ctx context.Context, o *discovery.Operator, edges, n regions.Name) error {
			return o.Drain(ctx, edges, n, d)
		})
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s is drained until %s\n", args[0], d.Until.Format(time.RFC3339))
		}
		return err
	})
	drain.Flags().DurationVar(&lasts, "for", 30*time.Minute, "how long, 1m to 72h; then it ends by itself")
	drain.Flags().StringVar(&reason, "reason", "", "for others to read")
	undrain := configured(&cobra.Command{
		Use: "undrain REGION", Short: "End a drain", Args: oneArgument,
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		return tellEdges(cmd, c, args[0], func(ctx context.Context, o *discovery.Operator, edges, n regions.Name) error {
			return o.Undrain(ctx, edges, n)
		})
	})
	list := configured(&cobra.Command{
		Use: "list", Short: "Say what each region's edges are to do", Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string, c config.Config) error { return listRegions(cmd, c) })
	parent.AddCommand(drain, undrain, list)
	return parent
}

func oneArgument(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return nil
}

// agentOf returns an operator who reaches the Consul of a region, and the datacenter to name to it: none when it
// is the region's own agent.
func agentOf(c config.Config, region regions.Name) (*discovery.Operator, regions.Name, error) {
	address, datacenter := c.Edge.Consul[string(region)], regions.Name("")
	if address == "" {
		address = c.Consul.Address
		datacenter = region
	}
	if address == "" {
		return nil, "", fault.New(fault.Invalid, "CONFIG_INVALID", "no Consul is known for %s: give --edge.consul or --consul.address", region)
	}
	o, err := discovery.NewOperator(address)
	return o, datacenter, err
}

// tellEdges tells the Consul of every region. The region that it is about may be lost: its edges are then too.
func tellEdges(cmd *cobra.Command, c config.Config, name string, tell func(ctx context.Context, o *discovery.Operator, edges, n regions.Name) error) error {
	set, err := c.RegionSet()
	if err != nil {
		return err
	}
	about := regions.Name(name)
	if _, known := set.Lookup(about); !known {
		return fault.New(fault.Invalid, "REGION_UNKNOWN", "there is no region %q; there are %v", name, set.Names())
	}
	var failed error
	for _, n := range set.Names() {
		o, datacenter, err := agentOf(c, n)
		if err != nil {
			return err
		}
		switch err := tell(cmd.Context(), o, datacenter, about); {
		case err == nil:
			fmt.Fprintf(cmd.OutOrStdout(), "%-18s notified\n", n)
		case n == about:
			fmt.Fprintf(cmd.OutOrStdout(), "%-18s not notified, its own Consul does not answer: %v\n", n, err)
		default:
			failed = errors.Join(failed, err)
			fmt.Fprintf(cmd.OutOrStdout(), "%-18s not notified\n", n)
		}
	}
	if failed != nil {
		return fault.Wrap(failed, fault.Unavailable, "CONSUL_UNREACHABLE", "not every region's edges could be notified; repeat the command when they can be")
	}
	return nil
}

func listRegions(cmd *cobra.Command, c config.Config) error {
	set, err := c.RegionSet()
	if err != nil {
		return err
	}
	out, now, answered := cmd.OutOrStdout(), time.Now(), false
	fmt.Fprintf(out, "%-18s %-18s %-8s %s\n", "edges of", "region", "weight", "drain")
	for _, n := range set.Names() {
		o, datacenter, err := agentOf(c, n)
		if err != nil {
			return err
		}
		said, bad, err := o.Controls(cmd.Context(), datacenter)
		if err != nil {
			fmt.Fprintf(out, "%-18s (its Consul does not answer)\n", n)
			continue
		}
		answered = true
		printControls(out, n, said, now)
		for _, key := range bad {
			fmt.Fprintf(out, "%-18s (the value of %s makes no sense and does not count)\n", n, key)
		}
	}
	if !answered {
		return fault.New(fault.Unavailable, "CONSUL_UNREACHABLE", "no Consul answers")
	}
	return nil
}

func printControls(out io.Writer, edges regions.Name, said map[regions.Name]discovery.Control, now time.Time) {
	if len(said) == 0 {
		fmt.Fprintf(out, "%-18s nothing\n", edges)
	}
	for _, n := range slices.Sorted(maps.Keys(said)) {
		drain := "none"
		if d := said[n].Drain; said[n].Drained(now) {
			drain = fmt.Sprintf("until %s (%s)", d.Until.UTC().Format(time.RFC3339), cmp.Or(d.Reason, "no reason given"))
		} else if !d.Until.IsZero() {
			drain = "ended " + d.Until.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%-18s %-18s %3d %%    %s\n", edges, n, said[n].Weight, drain)
	}
}

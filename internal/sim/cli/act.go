package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
)

// exitUnhealthy is the exit code of status when something is broken.
const exitUnhealthy = 3

func statusCommand() *cobra.Command {
	return acting(&cobra.Command{
		Use: "status", Short: "Show what runs, where leases are, what is broken", Args: cobra.NoArgs,
		Long: "Show what runs, where leases are and what is broken. The exit code is 0 when all is well, 3 when not.",
	}, func(cmd *cobra.Command, client *control.Client, _ []string) error {
		s, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		if err := printStatus(cmd.OutOrStdout(), s); err != nil {
			return err
		}
		if slices.ContainsFunc(s.Regions, func(r cluster.RegionStatus) bool { return !r.Healthy }) {
			return exitError(exitUnhealthy)
		}
		return nil
	})
}

func configCommand() *cobra.Command {
	return acting(&cobra.Command{
		Use: "config", Short: "Print which configuration file leads to a running simulation", Args: cobra.NoArgs,
		Long: "Print the path of the configuration file by which commands of meridian act on a running simulation:\nmeridian audit --config $(meridian-sim config), say.",
	}, func(cmd *cobra.Command, client *control.Client, _ []string) error {
		s, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), cluster.OwnerConfig(s.StateDir))
		return err
	})
}

func killCommand() *cobra.Command {
	return acting(&cobra.Command{
		Use: "kill TARGET", Short: "Kill a region, or a part such as eu-west-1/redis, with SIGKILL", Args: cobra.ExactArgs(1),
		Long: "Kill a region with everything in it, its database sessions and its leases; or one part of a region (consul,\nredis, bus, gateway, stack-1, …, edge), such as eu-west-1/redis; or the payment provider (provider).",
	}, func(cmd *cobra.Command, client *control.Client, args []string) error {
		report, err := client.Kill(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printFault(cmd.OutOrStdout(), "killed "+report.Target, report)
	})
}

func healCommand() *cobra.Command {
	return acting(&cobra.Command{
		Use: "heal TARGET", Short: "Undo whatever is wrong with a target, and wait until it is ready", Args: cobra.ExactArgs(1),
		Long: "Undo whatever is wrong with a region or a part: start again what was killed, resume what hangs, end flapping, and\nrestore the WAN links of a region.",
	}, func(cmd *cobra.Command, client *control.Client, args []string) error {
		if err := client.Heal(cmd.Context(), args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0]+" is well")
		return err
	})
}

// acting has a command act on a running simulation, by a flag that says which.
func acting(cmd *cobra.Command, act func(*cobra.Command, *control.Client, []string) error) *cobra.Command {
	var offset int
	cmd.Flags().IntVar(&offset, "net", 0, "network offset that the simulation was started with")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		plan, err := (&Which{Net: offset, Stacks: 1}).Plan() // the control address depends on nothing else
		if err != nil {
			return errors.Join(errUsage, err)
		}
		return act(cmd, control.NewClient(plan.Control), args)
	}
	return cmd
}

func printStatus(out io.Writer, s cluster.Status) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "REGION\tEDGE\tHEALTH\tLEASES\tPROCESSES")
	for _, r := range s.Regions {
		running := 0
		for _, p := range r.Processes {
			if p.Running {
				running++
			}
		}
		leases := "with " + string(r.Leaseholder)
		if r.StallUntil.After(s.At) {
			leases = fmt.Sprintf("stalled %.1f s", r.StallUntil.Sub(s.At).Seconds())
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d of %d\n", r.Name, r.Edge, cmp.Or(r.Reason, "healthy"), leases, running, len(r.Processes))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, p := range s.Outside {
		if !p.Running {
			_, _ = fmt.Fprintf(out, "%s does not run (%s)\n", p.Name, p.Exit)
		}
	}
	for _, l := range s.Links {
		_, _ = fmt.Fprintf(out, "%s to %s: %s\n", l.From, l.To, l.Kind)
	}
	for _, name := range s.Flapping {
		_, _ = fmt.Fprintf(out, "%s flaps\n", name)
	}
	_, err := fmt.Fprintf(out, "up %s, %d MiB, %s\n", s.At.Sub(s.Started).Round(time.Second), s.MemoryBytes>>20, s.StateDir)
	return err
}

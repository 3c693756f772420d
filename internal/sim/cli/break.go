package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
)

// breakCommands are the ways to break a running simulation, beside kill.
func breakCommands() []*cobra.Command {
	var all []*cobra.Command
	add := func(kind cluster.FaultKind, usage, short, long string) (*cobra.Command, *cluster.Fault) {
		f := &cluster.Fault{Kind: kind}
		c := breakCommand(&cobra.Command{Use: string(kind) + " " + usage, Short: short, Long: long + "\n`heal` undoes it."}, f)
		all = append(all, c)
		return c, f
	}
	add(cluster.FaultHang, "TARGET", "Stop a region, or a part such as eu-west-1/redis, with SIGSTOP",
		"Stop the processes of a region, its database gateway among them, or of one part: they hold their connections and\nanswer nothing.")
	slow, f := add(cluster.FaultSlow, "REGION", "Make the WAN to and from a region slower",
		"Make every round trip between a region and the others longer, those of the database as well.")
	slow.Flags().Float64Var(&f.Factor, "factor", 10, "round trips take so many times the declared")
	partition, f := add(cluster.FaultPartition, "REGION", "Lose what is sent between a region and others",
		"Lose without a word what is sent over the WAN between a region and the others. Callers still reach its edge.")
	partition.Flags().StringVar((*string)(&f.From), "from", "", "only between the region and this one")
	partition.Flags().BoolVar(&f.OneWay, "one-way", false, "lose only what the region sends")
	cut, f := add(cluster.FaultCut, "REGION", "Close and refuse connections between a region and others",
		"Close every connection over the WAN between a region and the others, and refuse new ones. Callers still reach its edge.")
	cut.Flags().StringVar((*string)(&f.From), "from", "", "only between the region and this one")
	flap, f := add(cluster.FaultFlap, "PART", "Kill and start a part, such as eu-west-1/stack-1, over and over",
		"Kill a part with SIGKILL and start it again, over and over, for a while.")
	flap.Flags().DurationVar(&f.Every, "every", 2*time.Second, "from one kill to the next")
	flap.Flags().DurationVar(&f.For, "for", time.Minute, "for how long")
	return all
}

func breakCommand(cmd *cobra.Command, f *cluster.Fault) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	return acting(cmd, func(cmd *cobra.Command, client *control.Client, args []string) error {
		f.Target = args[0]
		if err := f.Validate(); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		report, err := client.Break(cmd.Context(), *f)
		if err != nil {
			return err
		}
		return printFault(cmd.OutOrStdout(), string(f.Kind), report)
	})
}

// printFault prints what was done, to which processes if to any, and what else came of it.
func printFault(out io.Writer, what string, r cluster.FaultReport) error {
	lines := []string{what + ": " + cmp.Or(strings.Join(r.Processes, ", "), r.Target)}
	for _, l := range r.Links {
		line := fmt.Sprintf("%s to %s: %s", l.From, l.To, l.Kind)
		if l.Extra > 0 {
			line += fmt.Sprintf(", %s longer", l.Extra)
		}
		lines = append(lines, line)
	}
	if !r.LeasesMoveAt.IsZero() {
		lines = append(lines, fmt.Sprintf("its leases move in %.1f s", time.Until(r.LeasesMoveAt).Seconds()))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func auditCommand() *cobra.Command {
	var quiet time.Duration
	var metrics string
	cmd := configured(&cobra.Command{
		Use: "audit", Short: "Check the invariants of orders, stock, money and events", Args: cobra.NoArgs,
		Long: "Check that orders, stock, money and events agree with each other, over all regions. It reads only, and may run\nbeside live traffic; run it nightly. The exit code is 1 when an invariant does not hold.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		db, set, err := openDatabase(cmd.Context(), c, 2*time.Minute)
		if err != nil {
			return err
		}
		defer db.Close()
		found, err := audit.Run(cmd.Context(), db.Pool(), set, quiet)
		if err != nil {
			return err
		}
		if metrics != "" {
			if err := audit.WriteMetrics(metrics, found, set, time.Now()); err != nil {
				return err
			}
		}
		return judge(cmd, found)
	})
	cmd.Flags().StringVar(&metrics, "metrics-file", "", "also write the result there in Prometheus's text format, for the node exporter's textfile collector")
	cmd.Flags().DurationVar(&quiet, "quiet-for", time.Minute, "how long an event may wait for its effect")
	return cmd
}

func judge(cmd *cobra.Command, found []audit.Violation) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "every invariant holds")
		return err
	}
	for _, v := range found {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n  %s\n", v.Invariant, v.Detail, strings.Join(v.IDs, " "))
	}
	return fault.New(fault.FailedPrecondition, "INVARIANT_VIOLATED", "%d invariants do not hold", len(found))
}

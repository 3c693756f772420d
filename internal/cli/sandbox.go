package cli

import (
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
)

func sandboxCommand() *cobra.Command {
	var o sandbox.Options
	cmd := configured(&cobra.Command{
		Use: "sandbox-provider", Short: "Run a payment provider that moves no money", Args: cobra.NoArgs,
		Long: "Run a payment provider that moves no money, for tests and simulations: it can decline, be slow and lose answers.\nGET /sandbox/payments lists what it knows.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		return app.RunSandbox(cmd.Context(), c, o)
	})
	cmd.Flags().StringVar(&o.Journal, "journal", "", "file that keeps payments over a restart; empty: none")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of what follows")
	cmd.Flags().DurationVar(&o.Latency, "latency", 0, "mean latency of an answer")
	cmd.Flags().Float64Var(&o.DeclinePercent, "decline-percent", 0, "share of payments that are declined")
	cmd.Flags().Float64Var(&o.LostPercent, "lost-percent", 0, "share of requests that are carried out and not answered")
	return cmd
}

package cli

import (
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/config"
)

func serveCommand() *cobra.Command {
	return configured(&cobra.Command{
		Use: "serve", Short: "Run a stack: the API and its background work", Args: cobra.NoArgs,
		Long: "Run a stack. --target chooses modules, so that parts can be scaled apart; by default it runs all of them.\nSIGTERM drains: it leaves discovery, lets requests end and stops.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		return app.RunStack(cmd.Context(), c)
	})
}

func edgeCommand() *cobra.Command {
	return configured(&cobra.Command{
		Use: "edge", Short: "Run an edge: locate callers and proxy them to the right region", Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		return app.RunEdge(cmd.Context(), c)
	})
}

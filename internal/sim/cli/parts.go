package cli

import (
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/bus"
	"github.com/meridian-commerce/meridian/internal/sim/sqlgateway"
)

// The parts that are this program themselves; up starts them.

func gatewayCommand() *cobra.Command {
	var listen, to string
	var lose int
	cmd := &cobra.Command{
		Use: "gateway", Short: "Run a region's way into the database", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return sqlgateway.Run(cmd.Context(), listen, to, lose) },
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on (host:port)")
	cmd.Flags().StringVar(&to, "to", "", "the database server (host:port)")
	cmd.Flags().IntVar(&lose, "lose-commits", 0, "lose the answer of one of so many commits; 0: of none")
	return cmd
}

func busCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: "bus", Short: "Run a region's event bus: Kafka's protocol, in memory", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return bus.Run(cmd.Context(), listen) },
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on (host:port)")
	return cmd
}

package cli

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	edgev1 "github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func routeCommand() *cobra.Command {
	parent := &cobra.Command{Use: "route", Short: "Ask an edge about its decisions"}
	parent.AddCommand(explainCommand())
	return parent
}

func explainCommand() *cobra.Command {
	var admin, tokenFile string
	request := &edgev1.ExplainRequest{}
	explain := &cobra.Command{
		Use: "explain", Short: "Say where an edge would send a request, and why", Args: cobra.NoArgs,
		Example: "  meridian route explain --admin 127.0.2.10:9090 --header CF-IPCountry=SG \\\n    --path /meridian.order.v1.OrderService/PlaceOrder",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tokenFile != "" {
				text, err := os.ReadFile(tokenFile)
				if err != nil {
					return fault.Wrap(err, fault.Invalid, "FILE_UNREADABLE", "cannot read %s", tokenFile)
				}
				request.Token = strings.TrimSpace(string(text))
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			return edge.PrintExplanation(ctx, cmd.OutOrStdout(), admin, request)
		},
	}
	f := explain.Flags()
	f.StringVar(&admin, "admin", "127.0.0.1:9090", "the edge's admin_listen address")
	f.StringVar(&request.Ip, "ip", "", "address of the TCP peer; default: this command's own")
	f.StringVar(&request.Token, "token", "", "access token")
	f.StringVar(&tokenFile, "token-file", "", "file that holds the access token")
	f.StringVar(&request.Path, "path", "/", "path of the request")
	f.StringToStringVar(&request.Headers, "header", nil, "other headers, as CF-IPCountry=IE")
	return explain
}

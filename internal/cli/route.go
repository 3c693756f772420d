package cli

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	edgev1 "github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1/edgev1connect"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func routeCommand() *cobra.Command {
	parent := &cobra.Command{Use: "route", Short: "Ask an edge about its decisions"}
	var admin, tokenFile string
	request := &edgev1.ExplainRequest{}
	explain := &cobra.Command{
		Use: "explain", Short: "Say where an edge would send a request, and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tokenFile != "" {
				text, err := os.ReadFile(tokenFile)
				if err != nil {
					return fault.Wrap(err, fault.Invalid, "FILE_UNREADABLE", "cannot read %s", tokenFile)
				}
				request.Token = string(text)
			}
			client := edgev1connect.NewRouteServiceClient(&http.Client{Timeout: 5 * time.Second}, "http://"+admin, connect.WithProtoJSON())
			answer, err := client.Explain(cmd.Context(), request)
			if err != nil {
				return fault.Wrap(err, fault.Unavailable, "EDGE_UNREACHABLE", "the edge at %s did not explain; --admin is its admin_listen address", admin)
			}
			printExplanation(cmd, answer)
			return nil
		},
	}
	f := explain.Flags()
	f.StringVar(&admin, "admin", "127.0.0.1:9090", "the edge's admin_listen address")
	f.StringVar(&request.Ip, "ip", "", "address of the TCP peer; default: loopback")
	f.StringVar(&request.Token, "token", "", "access token")
	f.StringVar(&tokenFile, "token-file", "", "file that holds the access token")
	f.StringVar(&request.Path, "path", "/", "path of the request")
	f.StringToStringVar(&request.Headers, "header", nil, "other headers, as CF-IPCountry=IE")
	parent.AddCommand(explain)
	return parent
}

func printExplanation(cmd *cobra.Command, a *edgev1.ExplainResponse) {
	out := cmd.OutOrStdout()
	for _, step := range a.GetSteps() {
		fmt.Fprintln(out, step)
	}
	fmt.Fprintf(out, "\n%-18s %-10s %-8s %-10s %s\n", "region", "route", "healthy", "instances", "rtt")
	for _, c := range a.GetCandidates() {
		fmt.Fprintf(out, "%-18s %-10s %-8t %d/%-8d %.1f ms\n", c.GetRegion(), c.GetRoute(), c.GetHealthy(), c.GetHealthyInstances(), c.GetTotalInstances(), c.GetRttMs())
	}
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
)

const closeTimeout = 15 * time.Second

func upCommand() *cobra.Command {
	var l Launch
	var origins []string
	cmd := &cobra.Command{
		Use: "up", Short: "Start a simulation and keep it until Ctrl-C", Args: cobra.NoArgs,
		Long: "Start a simulation, print where its edges are, and keep it until Ctrl-C. Each start is a fresh one: what a\nformer simulation left in the state folder is removed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := l.Options()
			if err != nil {
				return err
			}
			o.Out = cmd.ErrOrStderr()
			o.Origins = origins
			return up(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	l.Add(cmd.Flags())
	cmd.Flags().StringSliceVar(&origins, "cors", nil, "web origins whose pages may call the edges, such as http://localhost:5173, or * for all")
	return cmd
}

func up(ctx context.Context, out io.Writer, o cluster.Options) error {
	c, err := cluster.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped while starting")
		}
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		c.Close(closing)
	}()
	stop, err := serveControl(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	if err := printUp(ctx, out, c); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// serveControl serves the control endpoint until stop is called.
func serveControl(ctx context.Context, c *cluster.Cluster) (stop func(), err error) {
	addr := c.Plan().Control
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("control endpoint: %w", err)
	}
	server := &http.Server{Handler: control.Handler(c, addr), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // it ends when stop closes it
	return func() { _ = server.Close() }, nil
}

// printUp prints the one table that a person starts from.
func printUp(ctx context.Context, out io.Writer, c *cluster.Cluster) error {
	figures := probeAll(ctx, c.Plan())
	status := c.Status(ctx)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\nREGION\tEDGE\tHEALTH\tHOME READ p50\tHOME WRITE p50")
	for i, r := range status.Regions {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Edge, cmp.Or(r.Reason, "healthy"), figures[i].read, figures[i].write)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(out, "\nConsole  http://%s   Logs  %s/logs   Memory  %d MiB\nCtrl-C stops everything.\n",
		c.Plan().Control, c.StateDir(), status.MemoryBytes>>20)
	return err
}

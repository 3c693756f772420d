// Meridian-sim runs several regions of Meridian on one machine, and breaks them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/commands"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends at once; the kernel then ends the children
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, commands.All()...))
}

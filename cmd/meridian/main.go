// Command meridian is the backend: `meridian serve` runs a stack, `meridian edge` an edge; `meridian --help`
// lists the rest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/meridian-commerce/meridian/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

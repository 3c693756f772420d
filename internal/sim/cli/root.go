// Package cli is the meridian-sim command line: it starts simulations and acts on running ones. A command that
// fails prints what to do and exits with 1; a misused one exits with 2.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/version"
)

// errUsage marks errors about the command line itself.
var errUsage = errors.New("usage")

// exitError ends a command with an exit code of its own and no message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Run runs one command line and returns the exit code. more are commands of other rooms.
func Run(ctx context.Context, args []string, out, errOut io.Writer, more ...*cobra.Command) int {
	root := Root(more...)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var code exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	_, _ = fmt.Fprintln(errOut, "meridian-sim: "+err.Error())
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// Root returns the command line. more are commands of other rooms.
func Root(more ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   "meridian-sim",
		Short: "Several regions of Meridian on one machine, and what can happen to them",
		Long: "Several regions of Meridian on one machine: real processes for every region, a database that costs what\n" +
			"a multi-region one does, a WAN between them, and the means to break and heal all of it.",
		SilenceUsage: true, SilenceErrors: true, Version: version.String(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unknown command %q; see meridian-sim --help", errUsage, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(upCommand(), statusCommand(), configCommand(), killCommand(), healCommand(), gatewayCommand(), busCommand())
	root.AddCommand(breakCommands()...)
	root.AddCommand(more...)
	for _, c := range root.Commands() {
		c.Args = usage(c.Args)
	}
	return root
}

// usage marks what a check of arguments finds as misuse.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %w; see meridian-sim %s --help", errUsage, err, cmd.Name())
		}
		return nil
	}
}

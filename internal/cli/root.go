// Package cli is the meridian command line. Commands read configuration, call one function of another room and
// print; a failed command prints a sentence that helps and exits with 1, a misused one with 2.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rollout"
	"github.com/meridian-commerce/meridian/internal/version"
)

// errUsage marks errors about the command line itself.
var errUsage = errors.New("usage")

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	// Only now are help and completion among the commands.
	if _, _, unknown := root.Find(args); unknown != nil {
		err = fmt.Errorf("%w: %w", errUsage, unknown)
	}
	fmt.Fprintln(errOut, "meridian: "+explain(err))
	if errors.Is(err, errUsage) || fault.Is(err, fault.Invalid) {
		return 2
	}
	if errors.Is(err, rollout.ErrRolledBack) {
		return rolledBack
	}
	return 1
}

// explain prefers the sentence for people, and adds the cause.
func explain(err error) string {
	var known *fault.Error
	if !errors.As(err, &known) {
		return err.Error()
	}
	text := known.Message + " [" + known.Reason + "]"
	if known.Err != nil {
		text += "\n  cause: " + known.Err.Error()
	}
	return text
}

// Root returns the command line, for the reference that is generated from it.
func Root() *cobra.Command { return newRoot() }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "meridian",
		Short:         "A multi-region commerce backend",
		Long:          "Meridian is a commerce backend whose identical stacks run in several regions.\nSee `meridian-sim up` for three regions on one machine.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.String(),
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(serveCommand(), edgeCommand(), migrateCommand(), seedCommand(), catalogCommand(), promotionsCommand(), routeCommand(),
		regionCommand(), rolloutCommand(), planCommand(), auditCommand(), paymentsCommand(), stockCommand(), healthCommand(), keysCommand(), sandboxCommand(), versionCommand())
	for _, below := range root.Commands() { // an unknown one is none that Find finds
		strict(below)
	}
	return root
}

// strict makes arguments that a command does not take a misuse, for it and all below it. One that only leads to others has
// none, where cobra would print its help and be content.
func strict(c *cobra.Command) {
	takes := c.Args
	if !c.Runnable() {
		takes = cobra.NoArgs
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if takes == nil {
			return nil
		}
		if err := takes(cmd, args); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		return nil
	}
	for _, below := range c.Commands() {
		strict(below)
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version and commit", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version.String())
			return err
		},
	}
}

// configured makes a command that takes the configuration's flags.
func configured(c *cobra.Command, run func(cmd *cobra.Command, args []string, c config.Config) error) *cobra.Command {
	config.AddFlags(c.Flags())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		loaded, err := config.Load(cmd.Flags(), os.Environ())
		if err != nil {
			return err
		}
		return run(cmd, args, loaded)
	}
	return c
}

package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/version"
)

// ErrFailed says that a scenario was played to its end, and found broken promises or proved nothing.
var ErrFailed = errors.New("failed")

// Commands returns a command for each scenario: `drill`, which has one subcommand each, and those that stand alone.
func Commands(start Start, all ...Scenario) []*cobra.Command {
	var list bool
	drills := &cobra.Command{
		Use: "drill", Short: "Break or change a simulation on purpose and prove that nothing was lost", Args: cobra.NoArgs,
		Long: "Break or change a simulation on purpose and prove that nothing was lost. Each drill starts a simulation of its own, puts\n" +
			"load on it, and writes a report as JSON, as HTML and as JUnit's XML. It fails if a promise was broken, or if the run\n" +
			"proves nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				return printList(cmd.OutOrStdout(), all)
			}
			return cmd.Help()
		},
	}
	drills.Flags().BoolVar(&list, "list", false, "print every drill: what it proves, and about how long it takes")
	commands := []*cobra.Command{drills}
	for _, s := range all {
		if s.Alone {
			commands = append(commands, s.command(start))
		} else {
			drills.AddCommand(s.command(start))
		}
	}
	return commands
}

func printList(out io.Writer, all []Scenario) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "COMMAND\tTAKES\tPROVES")
	for _, s := range all {
		name := "drill " + s.Name
		if s.Alone {
			name = s.Name
		}
		_, _ = fmt.Fprintf(t, "%s\t%.0f min\t%s\n", name, s.Takes.Minutes(), s.Proves)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("scenario: list: %w", err)
	}
	return nil
}

// command returns the scenario's command.
func (s Scenario) command(start Start) *cobra.Command {
	r := &Run{Scenario: s, Load: s.Load}
	var l cli.Launch
	var out, planted, profile string
	c := &cobra.Command{
		Use: s.Name, Short: s.Proves, Long: s.Details, Example: s.Example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.run(cmd, &l, start, out, planted, profile)
		},
	}
	fs := c.Flags()
	l.Add(fs)
	if s.Regions != nil {
		_ = fs.MarkHidden("regions") // it is there
	}
	if s.Stacks > 0 {
		_ = fs.MarkHidden("stacks") // it is there
	}
	fs.StringVar(&profile, "internet", internet.Fast().Name, "how callers find an edge: "+strings.Join(internet.ProfileNames(), ", "))
	if s.Regions != nil {
		_ = fs.MarkHidden("internet") // with one region there is nothing to find
	}
	if s.Load.Rate > 0 {
		fs.Float64Var(&r.Load.Rate, "rate", s.Load.Rate, "arrivals per second; each makes 1.3 requests on average")
		fs.IntVar(&r.Load.Shoppers, "shoppers", s.Load.Shoppers, "accounts")
	}
	if s.Publish == nil {
		fs.StringVar(&out, "out", "out", "folder for the report: "+s.file()+".html, "+s.file()+".json and "+s.file()+"-junit.xml")
		fs.BoolVar(&r.Strict, "strict", false, "fail if an objective is missed, too")
	}
	if len(s.Plants) > 0 {
		fs.StringVar(&r.Plant, "plant", "", s.PlantHelp+", which the drill must find: "+strings.Join(s.Plants, ", "))
	}
	if s.ProductPlants {
		fs.StringVar(&planted, "planted-binary", "", "meridian built with -tags plant (default: built now)")
	}
	if s.Flags != nil {
		s.Flags(fs)
	}
	return c
}

func (s Scenario) file() string { return cmp.Or(s.File, s.Name) }

// run plays the scenario as the command line says, and publishes what came of it.
func (r *Run) run(cmd *cobra.Command, l *cli.Launch, start Start, folder, planted, profile string) error {
	defer r.close()
	ctx := cmd.Context()
	out := cmd.OutOrStdout()
	r.out = &lines{out: out}
	if err := r.prepare(ctx, l, planted, profile); err != nil {
		return err
	}
	r.Command = replay(cmd) // only now: Prepare draws what the flags leave to the seed
	r.Say("%s: seed %d, commit %s", r.Scenario.Name, r.Seed, r.Commit)
	var err error
	if r.World, err = start(ctx, r); err != nil {
		return err
	}
	v, e, err := r.play(ctx)
	if err != nil {
		return err
	}
	if r.Scenario.Publish != nil {
		return r.Scenario.Publish(r, out, v)
	}
	result, err := r.report(e, v)
	if err != nil {
		return err
	}
	if err := report.Publish(out, folder, r.Scenario.file(), result); err != nil {
		return err
	}
	if failed := result.Failed(); len(failed) > 0 {
		return fmt.Errorf("%s: %w: %s", r.Scenario.Name, ErrFailed, strings.Join(failed, ", "))
	}
	return nil
}

// prepare reads the flags and lets the scenario do so.
func (r *Run) prepare(ctx context.Context, l *cli.Launch, planted, profile string) error {
	s := r.Scenario
	if s.Stacks > 0 {
		l.Stacks = s.Stacks
	}
	if s.Regions != nil {
		file, err := r.catalogFile(s.Regions)
		if err != nil {
			return err
		}
		l.RegionsFile = file
	}
	var err error
	if r.Options, err = l.Options(); err != nil {
		return err
	}
	r.Options.Out = r.out
	r.Seed = l.Seed
	r.Commit = version.Info().Commit
	r.Internet = internet.Config{Edges: internet.EdgesOf(r.Options.Plan), Cities: internet.Cities()}
	if r.Internet.Profile, err = internet.ProfileOf(profile); err != nil {
		return err
	}
	if err := r.plant(ctx, planted); err != nil {
		return err
	}
	if s.Prepare == nil {
		return nil
	}
	return s.Prepare(ctx, r)
}

// catalogFile writes a catalog where the product's processes can read it, until the run ends.
func (r *Run) catalogFile(catalog []byte) (string, error) {
	dir, err := os.MkdirTemp("", "meridian-"+r.Scenario.Name+"-")
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	r.Defer(func() { _ = os.RemoveAll(dir) }) // a few bytes
	file := filepath.Join(dir, "region.yaml")
	if err := os.WriteFile(file, catalog, 0o600); err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	return file, nil
}

// replay is the command line that repeats a run: each flag with what it came to, but those that only say where on this
// machine things are.
func replay(cmd *cobra.Command) string {
	here := []string{"net", "state", "bin", "out", "strict", "planted-binary", "help"}
	line := cmd.CommandPath()
	if !strings.HasPrefix(line, "meridian-sim ") {
		line = "meridian-sim " + line // a command that a test has taken out of the program
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		if value == "" || f.Hidden || slices.Contains(here, f.Name) {
			return
		}
		if strings.ContainsAny(value, " ") {
			value = "'" + value + "'"
		}
		line += " --" + f.Name + " " + value
	})
	return line
}

// plant checks what is to be planted, and has the simulation run a product that has the bug if it is one of the product's.
func (r *Run) plant(ctx context.Context, program string) error {
	plants := r.Scenario.Plants
	if r.Plant == "" {
		return nil
	}
	if !slices.Contains(plants, r.Plant) {
		return fmt.Errorf("scenario: nothing is called %q to plant; there are %s", r.Plant, strings.Join(plants, ", "))
	}
	if !r.Scenario.ProductPlants {
		return nil
	}
	r.Options.Env = append(r.Options.Env, plant.Env+"="+r.Plant)
	if r.Options.Meridian = program; program != "" {
		return nil
	}
	r.Say("building meridian with the planted bugs")
	var err error
	r.Options.Meridian, err = BuildPlanted(ctx)
	return err
}

// BuildPlanted builds a meridian that can have the planted bugs, and returns where it is.
func BuildPlanted(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("scenario: cache folder: %w", err)
	}
	program := filepath.Join(cache, "meridian", "bin", "meridian-plant")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "plant", "-o", program, "github.com/meridian-commerce/meridian/cmd/meridian")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("scenario: build meridian with planted bugs, which takes the source tree (else use --planted-binary): %w\n%s", err, text)
	}
	return program, nil
}

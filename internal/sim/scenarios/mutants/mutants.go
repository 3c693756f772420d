// Package mutants is the mutation suite: it plants one mistake after the other, each in a short simulation of real
// processes, and wants every one to be noticed by the invariants that the table names for it. A mistake that was not made
// (a bug that never bit) counts as one that was not noticed. Before them comes a run without a mistake and with every fault,
// in which nothing may be found.
package mutants

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// ErrMissed says that a mistake was not noticed, or that something was found where there was none.
var ErrMissed = errors.New("mutants: missed")

const (
	seeds   = 3               // runs in which a mistake has to be noticed
	longest = 5 * time.Minute // of a run that does not hang
)

// suite is the command's flags.
type suite struct {
	start  scenario.Start
	only   string
	rotate int
	net    int
	folder string
}

// Command returns `mutants`.
func Command(start scenario.Start) *cobra.Command {
	s := suite{start: start}
	c := &cobra.Command{
		Use: "mutants", Short: "Plant one mistake after the other and prove that each is noticed", Args: cobra.NoArgs,
		Long: "Builds meridian with its planted bugs and runs each in a short simulation of its own: shoppers order, watch, come back and\n" +
			"look for what is others', while the payment provider declines and loses answers. Prints how often each bug bit and which\n" +
			"invariants noticed. Fails if one was not noticed within three seeds, or if a run without a mistake finds something.",
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	c.Flags().StringVar(&s.only, "plant", "", "only this one: sound (no mistake, every fault), "+strings.Join(names(table()), ", "))
	c.Flags().IntVar(&s.rotate, "rotate", 0, "only so many, other ones every day; 0: all")
	c.Flags().IntVar(&s.net, "net", 0, "offset of the simulation's network, 0 to 250")
	c.Flags().StringVar(&s.folder, "out", filepath.Join("out", "mutants"), "folder for what each run has printed")
	return c
}

func names(all []mutant) []string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = m.name
	}
	return out
}

// choose returns the mutants that the flags ask for.
func (s suite) choose(day int) ([]mutant, error) {
	list := append([]mutant{{name: sound, fault: all, lose: 20}}, table()...)
	switch {
	case s.only != "":
		i := slices.Index(names(list), s.only)
		if i < 0 {
			return nil, fmt.Errorf("mutants: nothing is called %q to plant; there are %s", s.only, strings.Join(names(list), ", "))
		}
		return list[i : i+1], nil
	case s.rotate > 0:
		var out []mutant
		for i := range min(s.rotate, len(list)) {
			out = append(out, list[(day*s.rotate+i)%len(list)])
		}
		return out, nil
	}
	return list, nil
}

// run runs what was chosen and prints a line for each.
func (s suite) run(ctx context.Context, out io.Writer) error {
	chosen, err := s.choose(int(time.Now().Unix() / (24 * 60 * 60)))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "building meridian with the planted bugs")
	program, err := scenario.BuildPlanted(ctx)
	if err != nil {
		return err
	}
	var missed []string
	_, _ = fmt.Fprintf(out, "%-22s %5s %5s %6s  %s\n", "PLANT", "SEED", "BIT", "TOOK", "NOTICED BY")
	for _, m := range chosen {
		good := false
		for seed := 1; seed <= seeds && !good; seed++ {
			began := time.Now()
			r, err := s.once(ctx, m, program, seed)
			if err != nil {
				return err
			}
			good = r.caught(m)
			noticed := strings.Join(r.found, ", ")
			if m.name == sound {
				good = len(r.found) == 0
			} else if r.bit == 0 {
				noticed = "not reached"
			}
			_, _ = fmt.Fprintf(out, "%-22s %5d %5d %5.0fs  %s\n", m.name, seed, r.bit, time.Since(began).Seconds(), noticed)
			if m.name == sound && !good {
				_, _ = fmt.Fprint(out, r.said)
				break // what is found where there is nothing is wrong at once
			}
		}
		if !good {
			missed = append(missed, m.name)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s; what the runs printed is in %s", ErrMissed, strings.Join(missed, ", "), s.folder)
	}
	_, _ = fmt.Fprintf(out, "all %d as they should be\n", len(chosen))
	return nil
}

// once runs a mutant with a seed, as the scenario engine runs a drill.
func (s suite) once(ctx context.Context, m mutant, program string, seed int) (result, error) {
	var r result
	dir, err := filepath.Abs(filepath.Join(s.folder, fmt.Sprintf("%s-%d", m.name, seed)))
	if err == nil {
		err = errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	}
	if err != nil {
		return r, fmt.Errorf("mutants: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log.txt"))
	if err != nil {
		return r, fmt.Errorf("mutants: %w", err)
	}
	defer func() { _ = log.Close() }() // a courtesy
	c := scenario.Commands(s.start, one(m, dir, &r))[0]
	c.SilenceErrors = true
	c.SilenceUsage = true
	c.SetOut(log)
	c.SetArgs([]string{"mutant", "--plant", m.name, "--planted-binary", program, "--net", fmt.Sprint(s.net), "--seed", fmt.Sprint(seed)})
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := c.ExecuteContext(ctx); err != nil {
		return r, fmt.Errorf("mutants: %s: %w; see %s", m.name, err, log.Name())
	}
	_, _ = fmt.Fprint(log, r.said)
	return r, nil
}

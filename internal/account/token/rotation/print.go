package rotation

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
)

// Print says which keys the file and each process have, and what Run would do. It changes nothing. The error is that Run
// would not begin.
func (r *Rotation) Print(ctx context.Context, out io.Writer) error {
	set, err := r.Load()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "KEY\tCREATED\tIN THE FILE\t")
	for _, k := range set.Keys() {
		created, use := "", "verifies"
		if !k.Created.IsZero() {
			created = k.Created.UTC().Format(time.RFC3339)
		}
		if k.Signs {
			use = "signs"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t\n", Short(k.ID), created, use)
	}
	processes, away := r.look(ctx)
	_, _ = fmt.Fprintln(t, "\nREGION\tPROCESS\tVERIFIES WITH\tSIGNS WITH\t")
	for _, p := range processes {
		verifies, signs := "(says nothing)", ""
		if p.Keys != nil {
			verifies = shorts(p.Keys.Verifies)
			signs = Short(p.Keys.Signs)
		}
		if p.Failing {
			signs += " (fails its check)"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", p.Region, p.ID, verifies, signs)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("rotation: print: %w", err)
	}
	for _, text := range away {
		_, _ = fmt.Fprintln(out, text)
	}
	target, err := r.begin(set, processes, away)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\nnext: %s\n", r.next(set, processes, target))
	return nil
}

func shorts(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = Short(id)
	}
	return strings.Join(out, ", ")
}

// next says what is left to be done toward the target.
func (r *Rotation) next(set token.KeySet, processes []Process, target string) string {
	const end = "wait for the longest token, and retire every other key"
	switch {
	case r.retires(set, processes):
		return "bring the file to every region: not all processes have it as it is"
	case target == "":
		return "publish a new key, wait until everybody verifies with it, sign with it, " + end
	case target == set.Signer():
		return "wait until everybody signs with " + Short(target) + ", " + end
	}
	return "wait until everybody verifies with " + Short(target) + ", sign with it, " + end
}

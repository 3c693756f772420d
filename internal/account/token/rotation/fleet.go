package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// rule tells what a process lacks that says so much of its keys; "": nothing.
type rule func(s token.Standing) string

func verifies(id string) rule {
	return func(s token.Standing) string {
		if slices.Contains(s.Verifies, id) {
			return ""
		}
		return "does not verify with " + Short(id)
	}
}

// signs holds for whoever signs nothing, too.
func signs(id string) rule {
	return func(s token.Standing) string {
		if s.Signs == "" || s.Signs == id {
			return verifies(id)(s)
		}
		return "signs with " + Short(s.Signs)
	}
}

// only wants a set of one key, and nothing else.
func only(set token.KeySet) rule {
	return func(s token.Standing) string {
		for _, id := range s.Verifies {
			if id != set.Signer() {
				return "verifies with " + Short(id) + " still"
			}
		}
		return signs(set.Signer())(s)
	}
}

// latest holds for whoever has no key that the set lacks, but what was retired by it: older ones than the one that is left,
// or newer ones if it went back. Nobody signs with those any more.
func latest(set token.KeySet, back bool) rule {
	return func(s token.Standing) string {
		if s.Signs != "" && !set.Has(s.Signs) {
			return "signs with " + Short(s.Signs)
		}
		left := slices.Index(s.Verifies, set.Signer())
		for i, id := range s.Verifies {
			if retired := len(set.Keys()) == 1 && (i < left) == back; !set.Has(id) && !retired {
				return "has " + Short(id)
			}
		}
		return ""
	}
}

// among holds for whoever has no other keys than those.
func among(ours map[string]bool) rule {
	return func(s token.Standing) string {
		for _, id := range s.Verifies {
			if !ours[id] {
				return "has " + Short(id)
			}
		}
		return ""
	}
}

// lacking tells what each process lacks.
func lacking(processes []Process, of rule) []string {
	var out []string
	for _, p := range processes {
		text := "says nothing of its keys: is it of an older release?"
		if p.Keys != nil {
			text = of(*p.Keys)
		}
		if text == "" {
			continue
		}
		if p.Failing {
			text += ", and fails its check: ten minutes after it did so first, Consul forgets it"
		}
		out = append(out, fmt.Sprintf("%s in %s %s", p.ID, p.Region, text))
	}
	return out
}

// look lists all processes, and the regions of which not all are known. One without a stack, or without an edge, is such:
// it cannot be told from one whose processes do not register.
func (r *Rotation) look(ctx context.Context) (all []Process, away []string) {
	for _, region := range r.Regions {
		processes, err := r.Fleet.Processes(ctx, region)
		edges := 0
		for _, p := range processes {
			if p.Edge {
				edges++
			}
			if p.Keys != nil {
				r.longest = max(r.longest, p.Keys.Longest)
			}
		}
		switch {
		case err != nil:
			away = append(away, fmt.Sprintf("the Consul of %s does not answer: %v", region, err))
		case edges == len(processes):
			away = append(away, fmt.Sprintf("the Consul of %s lists no stack", region))
		case edges == 0:
			away = append(away, fmt.Sprintf("the Consul of %s lists no edge; has each a consul.address?", region))
		}
		all = append(all, processes...)
	}
	return all, away
}

// await waits until no process lacks anything, and returns them all. The error names who does, and what is still so.
func (r *Rotation) await(ctx context.Context, what string, of rule, still string) ([]Process, error) {
	deadline := time.Now().Add(r.Timeout)
	for said := ""; ; {
		processes, missing := r.look(ctx)
		if strange := lacking(speaking(processes), among(r.ours)); len(strange) > 0 {
			return nil, fault.New(fault.Aborted, "KEYS_CHANGED", "another rotation is under way, because processes have keys that this one never had, so %s; "+
				"let that end, and repeat the command with the file that it leaves: %s", still, some(strange))
		}
		missing = append(missing, lacking(processes, of)...)
		if len(missing) == 0 {
			r.Report(fmt.Sprintf("all %d processes of %d regions %s", len(processes), len(r.Regions), what))
			return processes, nil
		}
		if text := fmt.Sprintf("waits for %d to %s: %s", len(missing), what, some(missing)); text != said {
			r.Report(text)
			said = text
		}
		if time.Now().After(deadline) {
			return nil, fault.New(fault.Unavailable, "KEY_NOT_EVERYWHERE",
				"after %s not all processes %s, so %s. Repeat the command to go on, or with --back to go back: %s", r.Timeout, what, still, strings.Join(missing, "; "))
		}
		if err := clock.Sleep(ctx, r.Poll); err != nil {
			return nil, interrupted(err)
		}
	}
}

// speaking returns those that say which keys they have.
func speaking(processes []Process) []Process {
	return slices.DeleteFunc(slices.Clone(processes), func(p Process) bool { return p.Keys == nil })
}

// some names a few of many.
func some(list []string) string {
	const few = 3
	if len(list) <= few {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:few], "; "), len(list)-few)
}

package rollout

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Order returns the regions by their traffic, least first: a bad version meets the fewest callers where it is met
// first. Regions of the same traffic keep their order.
func Order(names []regions.Name, traffic map[regions.Name]float64) []regions.Name {
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b regions.Name) int { return cmp.Compare(traffic[a], traffic[b]) })
	return out
}

// Check finds what speaks against changing a region now. Its error wraps ErrRefused and names the first.
func (r *Rollout) Check(ctx context.Context, next regions.Name) error {
	now := time.Now()
	for _, n := range r.All {
		s, err := r.Fleet.Standing(ctx, n)
		if err != nil {
			return fmt.Errorf("%w: %s does not tell how it stands: %w", ErrRefused, n, err)
		}
		// A region that an interrupted rollout was at may be in any shape: it is what this one goes on with.
		resumed := n == next && next == r.state.Current
		drained := s.DrainedUntil.After(now)
		switch {
		case drained && !(resumed && s.Reason == reason):
			return fmt.Errorf("%w: %s is drained until %s (%s)", ErrRefused, n, s.DrainedUntil.UTC().Format(time.RFC3339), cmp.Or(s.Reason, "no reason given"))
		case !resumed && (s.Total == 0 || 10*s.Healthy < 9*s.Total): // an autoscaler's new one may be starting
			return fmt.Errorf("%w: %d of %d instances of %s are healthy", ErrRefused, s.Healthy, s.Total, n)
		case resumed:
			continue
		}
		if v, err := r.judge(ctx, n, longest()); err != nil {
			return fmt.Errorf("%w: no burn rate of %s: %w", ErrRefused, n, err)
		} else if v.Burning {
			return fmt.Errorf("%w: %s is in trouble already: %s", ErrRefused, n, v.Text)
		}
	}
	return nil
}

// Print writes what a rollout would do, and does nothing.
func (r *Rollout) Print(out io.Writer) error {
	for i, n := range r.Regions {
		done := ""
		if r.state.isDone(n) {
			done = ", changed already"
		}
		if _, err := fmt.Fprintf(out, "%d. %s%s\n", i+1, n, done); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "each: drain, wait %s, change within %s, wait up to %s for healthy instances, undrain, watch for %s\n"+
		"roll back and stop when a region burns the budget of %.3g %%:\n", r.Settle, r.Limit, r.Ready, r.Bake, 100*(1-r.Objective))
	for _, x := range rules() {
		if err == nil {
			_, err = fmt.Fprintf(out, "  %g times too fast over %s, and over the last %s\n", x.burn, x.long, x.short)
		}
	}
	return err
}

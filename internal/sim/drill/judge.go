package drill

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// How long the system gets to finish by itself what the load left behind: it must make progress all the time.
const (
	settleAtMost   = 3 * time.Minute
	settleStalled  = 40 * time.Second
	settleInterval = time.Second
)

// settlesInvariant: whatever was begun is brought to an end.
const settlesInvariant = "system-settles"

// judge waits until the system has settled and checks every invariant.
func judge(ctx context.Context, w parts, h *history.History, out io.Writer) ([]check.Violation, int, error) {
	left, err := settle(ctx, w, out)
	if err != nil {
		return nil, 0, err
	}
	facts, err := w.facts(ctx)
	if err != nil {
		return nil, 0, err
	}
	violations := check.Run(h.Ops(), facts)
	audited, err := w.audit(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("drill: audit: %w", err)
	}
	violations = append(violations, audited...)
	if !left.None() {
		violations = append(violations, check.Violation{
			Invariant: settlesInvariant, IDs: unfinished(facts),
			Detail: fmt.Sprintf("after %v without progress %d orders, %d payments and %d events were not done with", settleStalled, left.Orders, left.Payments, left.Events),
		})
	}
	return violations, len(facts.Orders), nil
}

// settle waits until nothing is unfinished, or nothing has moved for a while.
func settle(ctx context.Context, w parts, out io.Writer) (check.Unfinished, error) {
	start, moved := time.Now(), time.Now()
	var last check.Unfinished
	for {
		now, err := w.pending(ctx)
		if err != nil {
			return now, err
		}
		if now.None() {
			say(out, "settled after %.0f s", time.Since(start).Seconds())
			return now, nil
		}
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > settleStalled || time.Since(start) > settleAtMost {
			say(out, "not settled after %.0f s: %+v", time.Since(start).Seconds(), now)
			return now, nil
		}
		if err := waitUntil(ctx, time.Now().Add(settleInterval)); err != nil {
			return now, err
		}
	}
}

// unfinished returns the orders that are in no final state.
func unfinished(f check.Facts) []string {
	ids := []string{}
	for _, o := range f.Orders {
		if o.State != "fulfilled" && o.State != "canceled" {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

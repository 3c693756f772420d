package check

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// How long the system gets to finish by itself what a load left behind: it must make progress all the time.
const (
	settleAtMost   = 3 * time.Minute
	settleStalled  = 40 * time.Second // unless somebody says another time
	settleInterval = time.Second
)

// Settles is the invariant that whatever was begun is brought to an end.
const Settles = "system-settles"

// Settle waits until nothing is unfinished, or nothing has moved for so long (0: 40 s), and returns what is left.
func Settle(ctx context.Context, pending func(context.Context) (Unfinished, error), stalled time.Duration, out io.Writer) (Unfinished, error) {
	start := time.Now()
	moved := time.Now()
	var last Unfinished
	for {
		now, err := pending(ctx)
		if err != nil {
			return now, err
		}
		if now.None() {
			_, _ = fmt.Fprintf(out, "settled after %.0f s\n", time.Since(start).Seconds())
			return now, nil
		}
		if now != last {
			last = now
			moved = time.Now()
		}
		if time.Since(moved) > cmp.Or(stalled, settleStalled) || time.Since(start) > settleAtMost {
			_, _ = fmt.Fprintf(out, "not settled after %.0f s: %+v\n", time.Since(start).Seconds(), now)
			return now, nil
		}
		if err := clock.Sleep(ctx, settleInterval); err != nil {
			return now, err
		}
	}
}

// Unsettled is the violation of a system that did not settle; none if it did.
func Unsettled(left Unfinished, f Facts) []Violation {
	if left.None() {
		return nil
	}
	ids := []string{}
	for _, o := range f.Orders {
		if o.State != "fulfilled" && o.State != "canceled" {
			ids = append(ids, o.ID)
		}
	}
	return []Violation{{
		Invariant: Settles, IDs: ids,
		Detail: fmt.Sprintf("%d orders, %d payments and %d events were not done with, and nothing moved any more", left.Orders, left.Payments, left.Events),
	}}
}

package check

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// reads: an order is shown to its owner, always, and to nobody else.
func (f findings) reads(ops []history.Op, k kept) {
	for _, op := range ops {
		switch read := op.Kind == history.GetOrder || op.Kind == history.Watch || op.Kind == history.WatchMessage; {
		case !read:
		case op.Foreign && (op.Outcome == history.OK || op.Kind == history.WatchMessage):
			f.add(OrderPrivate, op.Order, "was shown to %s, whose order it is not", op.User)
		case !op.Foreign && len(k.byID[op.Order]) > 0 && (op.Code == "not_found" || op.Code == "permission_denied"):
			f.add(OrderReadable, op.Order, "was refused to its owner: %s %s", op.Code, op.Reason)
		}
	}
}

// A state that lasted so long while somebody watched is shown, unless the next one came late, too: then the watcher's
// instance was cut off from the rows meanwhile.
const (
	watchable = 4 * time.Second
	prompt    = 3 * time.Second
)

// watches: whoever watches an order sees each of its states that lasts.
func (f findings) watches(ops []history.Op, k kept) {
	since := map[string][]time.Time{} // by order: when each version began
	for _, e := range k.Events {
		since[e.Order] = append(since[e.Order], e.Created)
	}
	type stream struct {
		client  int
		order   string
		invoked time.Time
	}
	last := map[stream]history.Op{}
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b history.Op) int { return a.Returned.Compare(b.Returned) })
	for _, op := range ops {
		if op.Kind != history.WatchMessage {
			continue
		}
		s := stream{op.Client, op.Order, op.Invoked}
		begun := since[op.Order]
		if before, ok := last[s]; ok && op.Version <= int64(len(begun)) && op.Returned.Sub(begun[op.Version-1]) < prompt {
			for v := before.Version + 1; v < op.Version; v++ {
				from := begun[v-1]
				if before.Returned.After(from) {
					from = before.Returned
				}
				if lasted := begun[v].Sub(from); lasted > watchable {
					f.add(WatchComplete, op.Order, "was version %d for %v, which was not shown to who watched it", v, lasted)
				}
			}
		}
		last[s] = op
	}
}

// prices: every line costs what the list says. Nobody changes the list in a simulation.
func (f findings) prices(k kept) {
	for _, o := range k.Orders {
		if o.Lines != o.Listed {
			f.add(PricesAreListed, o.ID, "has lines of %d %s that cost %d by the list", o.Lines, o.Currency, o.Listed)
		}
	}
}

// posts: what may not be done twice arrives at a stack at most once. Stacks that have ended count for nothing.
func (f findings) posts(ops []history.Op, k kept) {
	sent := 0
	for _, op := range ops {
		if op.Kind == history.SignUp {
			sent++
		}
	}
	if arrived := k.Arrived["SignUp"]; arrived > sent {
		f.add(PostOnce, "SignUp", "was sent %d times and arrived %d times", sent, arrived)
	}
}

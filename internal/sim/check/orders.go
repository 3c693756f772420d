package check

import (
	"slices"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// acknowledged: an order that a caller was told of exists exactly once, by its id and by its key.
func (f findings) acknowledged(placings []Placing, k kept) {
	for _, p := range placings {
		if p.Outcome != history.OK {
			continue
		}
		if n := len(k.byID[p.Order]); n != 1 {
			f.add(AcknowledgedOnce, p.Order, "was acknowledged and exists %d times", n)
		}
		switch under := k.byKey[p.User+" "+p.Key]; {
		case len(under) > 1:
			for _, o := range under {
				f.add(AcknowledgedOnce, o.ID, "is one of %d orders under the key %s", len(under), p.Key)
			}
		case len(under) == 1 && under[0].ID != p.Order:
			f.add(AcknowledgedOnce, p.Order, "was acknowledged under the key %s, which %s has", p.Key, under[0].ID)
		case len(under) == 0 && len(k.byID[p.Order]) > 0:
			f.add(AcknowledgedOnce, p.Order, "does not have the key %s that placed it", p.Key)
		}
	}
}

// unacknowledged: an unknown outcome became at most one order, a refused one none.
func (f findings) unacknowledged(placings []Placing, k kept) {
	for _, p := range placings {
		under := k.byKey[p.User+" "+p.Key]
		for _, o := range under {
			if p.Outcome == history.OK {
				f.refused(p, o)
			}
			switch {
			case p.Outcome == history.Info && len(under) > 1:
				f.add(UnknownAtMostOnce, o.ID, "is one of %d orders under the key %s, whose outcome is unknown", len(under), p.Key)
			case p.Outcome == history.Fail:
				f.add(FailedAbsent, o.ID, "exists although every request under its key %s was refused", p.Key)
			}
		}
	}
}

// refused: an attempt that was refused did nothing, even if a later one was acknowledged.
func (f findings) refused(p Placing, o Order) {
	for _, op := range p.Attempts {
		if op.Outcome != history.Fail {
			return // whatever came later may have been told of what this one did
		}
		if !o.Created.IsZero() && o.Created.Before(op.Returned) {
			f.add(FailedAbsent, o.ID, "was placed by a request under its key %s that was refused: %s %s", p.Key, op.Code, op.Reason)
			return
		}
	}
}

// phantoms: a caller has no order that it never asked for.
func (f findings) phantoms(ops []history.Op, placings []Placing, k kept) {
	users := map[string]bool{}
	keys := map[string]bool{}
	for _, op := range ops {
		users[op.User] = op.User != ""
	}
	for _, p := range placings {
		keys[p.User+" "+p.Key] = true
	}
	for _, o := range k.Orders {
		if users[o.User] && !keys[o.User+" "+o.Key] {
			f.add(NoPhantom, o.ID, "exists under the key %q, which its user never sent", o.Key)
		}
	}
}

// replays: whatever was acknowledged under a key was the same answer each time, and a replay of an
// acknowledged key is not refused.
func (f findings) replays(placings []Placing) {
	for _, p := range placings {
		if p.Outcome != history.OK {
			continue
		}
		first := p.Answer
		for _, op := range append(p.Attempts, p.Replays...) {
			switch {
			case op.Outcome == history.OK && op.Digest != first.Digest:
				f.add(ReplayIdentical, p.Order, "was answered as %s version %d first and as %s %s version %d for the same key", first.State, first.Version, op.Order, op.State, op.Version)
			case op.Replay && op.Outcome == history.Fail && !op.Momentary():
				f.add(ReplayIdentical, p.Order, "was acknowledged, but its replay was refused: %s %s", op.Code, op.Reason)
			}
		}
	}
}

// settled: after a while of quiet, no acknowledged order is still waiting for its payment.
func (f findings) settled(placings []Placing, k kept) {
	for _, p := range placings {
		unpaid := slices.ContainsFunc(k.byID[p.Order], func(o Order) bool { return o.State == "pending_payment" })
		if p.Outcome == history.OK && unpaid {
			f.add(OrderSettles, p.Order, "was acknowledged and is still pending_payment after the settling time")
		}
	}
}

package killregion

import (
	"math"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// What a request of the lost region's callers must be to count as recovered: served, and served within this
// time of when it was meant to start. Without it a request that hung until the leases had moved would count
// as a success of the moment at which it was sent.
const (
	readWithin  = time.Second
	orderWithin = 2 * time.Second

	recoveredRatio = 0.99
)

// recovery measures from the fault to the start of the first window of ten seconds in which at least 99 of
// 100 requests of the lost region's callers were served in time, for catalog reads and for orders.
func (e evidence) recovery(ops []history.Op) Recovery {
	var reads, orders []history.Op
	for _, op := range ops {
		switch {
		case !counts(op) || op.Home != e.lost || op.Intended.Before(e.fault.At):
		case op.Kind.Catalog() && op.Nearest == e.lost: // elsewhere they never failed
			reads = append(reads, op)
		case op.Kind == history.PlaceOrder || op.Kind == history.SetItem: // no order without a cart
			orders = append(orders, op)
		}
	}
	out := Recovery{ReadsTotalMS: e.recovered(reads, readWithin), OrdersTotalMS: e.recovered(orders, orderWithin)}
	for _, c := range e.Changes {
		if c.Region == e.lost && !c.Up && !c.At.Before(e.fault.At) {
			out.EntryMS = new(history.Millis(c.At.Sub(e.fault.At)))
			break
		}
	}
	out.RoutingMS = less(out.ReadsTotalMS, out.EntryMS)
	out.DatabaseMS = less(out.OrdersTotalMS, out.ReadsTotalMS)
	return out
}

// less is a figure without another, at least 0; nil without both.
func less(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return new(math.Round(max(0, *a-*b)*100) / 100)
}

// recovered returns the time from the fault to the start of the first good window. The window starts with a
// request that was served in time, so that the figure errs to the long side by the time between two
// requests; it must have ended when the load did.
func (e evidence) recovered(ops []history.Op, within time.Duration) *float64 {
	slices.SortStableFunc(ops, byStart)
	inTime := func(op history.Op) bool { return op.Succeeded() && op.Latency() <= within }
	for i, op := range ops {
		if op.Intended.Add(window).After(e.Result.Began.Add(e.Load.Duration)) {
			return nil
		}
		good, all := inWindow(ops[i:], inTime)
		if inTime(op) && float64(good) >= recoveredRatio*float64(all) {
			return new(history.Millis(op.Intended.Sub(e.fault.At)))
		}
	}
	return nil
}

// worstWindow returns the lowest success ratio over any window that begins with a request, and nil without
// requests. A window that is cut short by the end of the run counts with what it has.
func worstWindow(ops []history.Op) *float64 {
	slices.SortStableFunc(ops, byStart)
	var worst *float64
	for i := range ops {
		good, all := inWindow(ops[i:], history.Op.Succeeded)
		if r := ratio(good, all); worst == nil || *r < *worst {
			worst = r
		}
		if i+all == len(ops) { // shorter windows say no more
			break
		}
	}
	return worst
}

// window is over what time a success ratio is taken.
const window = 10 * time.Second

// inWindow counts the requests of the window that begins with the first one, and the good ones of them.
func inWindow(ops []history.Op, is func(history.Op) bool) (good, all int) {
	for _, op := range ops {
		if op.Intended.Sub(ops[0].Intended) >= window {
			break
		}
		all++
		if is(op) {
			good++
		}
	}
	return good, all
}

func byStart(a, b history.Op) int { return a.Intended.Compare(b.Intended) }

// biteWindow is how soon callers must have noticed a fault for it to have bit.
const biteWindow = 10 * time.Second

func (e evidence) faulted(ops []history.Op) Fault {
	out := Fault{
		Kind: name, Region: e.lost, AtMS: e.since(e.fault.At), Processes: append([]string{}, e.fault.Processes...),
		HealedMS: history.MillisTo(e.fault.Healed, e.Result.Began), LeasesMovedMS: history.MillisTo(e.fault.LeasesMoveAt, e.Result.Began),
	}
	for _, op := range ops {
		if counts(op) && !op.Succeeded() && op.Home == e.lost && e.phaseOf(op) != before && op.Intended.Sub(e.fault.At) < biteWindow {
			out.FailedRequests++
		}
	}
	out.Bit = out.FailedRequests > 0 && len(out.Processes) > 0
	return out
}

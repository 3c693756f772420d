package report

import (
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
func (e Evidence) recovery(ops []history.Op) Recovery {
	if e.Lost.At.IsZero() {
		return Recovery{}
	}
	var reads, orders []history.Op
	for _, op := range ops {
		switch {
		case !counts(op) || op.Home != e.Lost.Region || op.Intended.Before(e.Lost.At):
		case op.Kind.Catalog() && op.Nearest == e.Lost.Region: // elsewhere they never failed
			reads = append(reads, op)
		case op.Kind == history.PlaceOrder || op.Kind == history.SetItem: // no order without a cart
			orders = append(orders, op)
		}
	}
	end := e.Result.Began.Add(e.Load.Duration)
	out := Recovery{EntryMS: e.withdrawn()}
	out.ReadsTotalMS = e.recovered(reads, readWithin, end)
	out.OrdersTotalMS = e.recovered(orders, orderWithin, end)
	if out.EntryMS != nil && out.ReadsTotalMS != nil {
		out.RoutingMS = rounded(max(0, *out.ReadsTotalMS-*out.EntryMS))
	}
	if out.ReadsTotalMS != nil && out.OrdersTotalMS != nil {
		out.DatabaseMS = rounded(max(0, *out.OrdersTotalMS-*out.ReadsTotalMS))
	}
	return out
}

// withdrawn returns the time from the fault to the withdrawal of the lost region's edge.
func (e Evidence) withdrawn() *float64 {
	for _, c := range e.Changes {
		if c.Region == e.Lost.Region && !c.Up && !c.At.Before(e.Lost.At) {
			return rounded(float64(c.At.Sub(e.Lost.At)) / float64(time.Millisecond))
		}
	}
	return nil
}

// recovered returns the time from the fault to the start of the first good window. The window starts with a
// request that was served in time, so that the figure errs to the long side by the time between two
// requests; it must have ended when the load did.
func (e Evidence) recovered(ops []history.Op, within time.Duration, end time.Time) *float64 {
	slices.SortStableFunc(ops, func(a, b history.Op) int { return a.Intended.Compare(b.Intended) })
	inTime := func(op history.Op) bool { return succeeded(op) && op.Latency() <= within }
	good := 0
	next := 0
	for start, op := range ops {
		if op.Intended.Add(window).After(end) {
			return nil
		}
		for ; next < len(ops) && ops[next].Intended.Sub(op.Intended) < window; next++ {
			if inTime(ops[next]) {
				good++
			}
		}
		if inTime(op) {
			if float64(good) >= recoveredRatio*float64(next-start) {
				return rounded(float64(op.Intended.Sub(e.Lost.At)) / float64(time.Millisecond))
			}
			good--
		}
	}
	return nil
}

// biteWindow is how soon callers must have noticed a fault for it to have bit.
const biteWindow = 10 * time.Second

func (e Evidence) fault(ops []history.Op) Fault {
	out := Fault{Kind: e.Lost.Kind, Region: e.Lost.Region, AtMS: e.since(e.Lost.At), Processes: e.Lost.Processes}
	if out.Processes == nil {
		out.Processes = []string{}
	}
	if !e.Lost.Healed.IsZero() {
		out.HealedMS = rounded(e.since(e.Lost.Healed))
	}
	if !e.Lost.LeasesMoveAt.IsZero() {
		out.LeasesMovedMS = rounded(e.since(e.Lost.LeasesMoveAt))
	}
	for _, op := range ops {
		if counts(op) && !succeeded(op) && op.Home == e.Lost.Region && e.phaseOf(op) != before && op.Intended.Sub(e.Lost.At) < biteWindow {
			out.FailedRequests++
		}
	}
	out.Bit = out.FailedRequests > 0 && len(out.Processes) > 0
	return out
}

package killregion

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// evidence is what the figures are computed from.
type evidence struct {
	scenario.Evidence
	catalog *regions.Set
	lost    regions.Name
	fault   scenario.Fault
}

// figures computes them from the requests of the load itself, without those that set it up or warmed it up.
func (e evidence) figures() Figures {
	ops := slices.DeleteFunc(slices.Clone(e.Ops), func(op history.Op) bool {
		return op.Intended.Before(e.Result.Began) || op.Intended.After(e.Result.Ended) || op.Kind == history.SignUp
	})
	f := Figures{
		Recovery: e.recovery(ops), Faults: []Fault{e.faulted(ops)}, Orders: e.orders(), Load: e.load(ops),
		Regions: map[regions.Name]*Region{}, Others: e.others(ops), Entries: []Entry{}, Timeline: e.timeline(ops),
	}
	for _, name := range e.catalog.Names() {
		f.Regions[name] = e.region(name, ops)
	}
	f.Remote = e.remote(ops, f.Regions)
	for _, c := range e.Changes {
		f.Entries = append(f.Entries, Entry{AtMS: e.since(c.At), Region: c.Region, Up: c.Up})
	}
	return f
}

// counts reports whether a request is one that success ratios count: what a caller wanted, at the first
// attempt. Retries, deliberate replays and the single messages of a stream are not.
func counts(op history.Op) bool {
	return op.Kind != history.WatchMessage && op.Attempt == 1 && !op.Replay
}

// phase is a part of the run.
type phase int

const (
	before phase = iota
	during
	after
)

// phaseOf places a request: one that was under way when the fault struck belongs to what came of it.
func (e evidence) phaseOf(op history.Op) phase {
	switch {
	case op.Returned.Before(e.fault.At):
		return before
	case e.fault.Healed.IsZero() || op.Intended.Before(e.fault.Healed):
		return during
	default:
		return after
	}
}

func (e evidence) load(ops []history.Op) Load {
	l := Load{
		Arrivals: e.Result.Arrivals, DroppedArrivals: e.Result.Dropped, Diverted: e.Result.Diverted,
		Rate: e.Load.Rate, DurationS: e.Load.Duration.Seconds(), MaxStartDelayMS: history.Millis(e.Result.MaxStartDelay),
		Shoppers: e.Load.Shoppers, UTCHour: e.Load.Hour,
	}
	for _, op := range ops {
		if op.Kind != history.WatchMessage {
			l.Requests++
		}
	}
	return l
}

// orders counts those of the warm-up, too: the promises are the same.
func (e evidence) orders() Orders {
	out := Orders{Placed: len(e.Facts.Orders), Refusals: map[string]int{}}
	for _, p := range check.Placings(e.Ops) {
		switch p.Outcome {
		case history.OK:
			out.Acknowledged++
		case history.Info:
			out.Unknown++
		default:
			out.Failed++
			out.Refusals[p.Attempts[len(p.Attempts)-1].Reason]++
		}
	}
	return out
}

func (e evidence) region(name regions.Name, ops []history.Op) *Region {
	var phases [3][]history.Op
	for _, op := range ops {
		if op.Home == name && op.Nearest == name && counts(op) {
			p := e.phaseOf(op)
			phases[p] = append(phases[p], op)
		}
	}
	return &Region{
		QuorumRTTMS: history.Millis(e.catalog.QuorumRTT(name)),
		Before:      phaseFigures(phases[before]), During: phaseFigures(phases[during]), After: phaseFigures(phases[after]),
	}
}

func phaseFigures(ops []history.Op) Phase {
	t := tallyOf(ops)
	inEdge := func(op history.Op) time.Duration { return op.Edge }
	reads, orders := latencies(t.reads, inEdge), latencies(t.orders, inEdge)
	callerReads, callerOrders := latencies(t.reads, history.Op.Latency), latencies(t.orders, history.Op.Latency)
	return Phase{
		Requests: len(ops), Failed: len(t.failed), SuccessRatio: ratio(len(ops)-len(t.failed), len(ops)),
		CatalogReads: len(reads), CatalogReadP50: reads.At(50), CatalogReadP99: reads.At(99),
		PlacedOrders: len(orders), PlaceOrderP50: orders.At(50), PlaceOrderP99: orders.At(99),
		CallerCatalogReadP50: callerReads.At(50), CallerCatalogReadP99: callerReads.At(99),
		CallerPlaceOrderP50: callerOrders.At(50), CallerPlaceOrderP99: callerOrders.At(99),
	}
}

// tally is what became of some requests. A refusal is no failure, but quick, and no order.
type tally struct{ failed, reads, orders []history.Op }

func tallyOf(ops []history.Op) tally {
	var t tally
	for _, op := range ops {
		switch {
		case !op.Succeeded():
			t.failed = append(t.failed, op)
		case op.Outcome != history.OK:
		case op.Kind.Catalog():
			t.reads = append(t.reads, op)
		case op.Kind == history.PlaceOrder:
			t.orders = append(t.orders, op)
		}
	}
	return t
}

// latencies are how long requests took, inside the edge or as their callers saw it.
func latencies(ops []history.Op, of func(history.Op) time.Duration) history.Latencies {
	var l history.Latencies
	for _, op := range ops {
		l = append(l, of(op))
	}
	return l
}

func ratio(good, all int) *float64 {
	if all == 0 {
		return nil
	}
	return new(math.Round(float64(good)/float64(all)*1e6) / 1e6)
}

func (e evidence) others(ops []history.Op) Others {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool {
		return !counts(op) || op.Home == e.lost || op.Nearest == e.lost || e.phaseOf(op) == before
	})
	failed := tallyOf(ops).failed
	out := Others{
		Requests: len(ops), Failed: len(failed), SuccessRatio: ratio(len(ops)-len(failed), len(ops)), MinWindowSuccessRatio: worstWindow(ops),
		Failures: []Failure{},
	}
	for _, op := range failed {
		out.Failures = append(out.Failures, Failure{
			AtMS: e.since(op.Intended), Kind: string(op.Kind), Home: op.Home, City: op.City, Code: op.Code, Reason: op.Reason, Detail: op.Message,
		})
	}
	return out
}

func (e evidence) remote(ops []history.Op, at map[regions.Name]*Region) Remote {
	var reads, orders history.Latencies
	for _, op := range ops {
		if op.Outcome != history.OK || e.phaseOf(op) != before || op.Served != op.Home || op.Entry == op.Home || op.Edge == 0 || !counts(op) {
			continue
		}
		over := op.Edge - e.catalog.RTT(op.Entry, op.Home)
		switch op.Kind {
		case history.GetCart, history.GetOrder:
			reads = append(reads, max(0, over))
		case history.PlaceOrder:
			if home := at[op.Home].Before.PlaceOrderP50; home != nil {
				orders = append(orders, max(0, over-time.Duration(*home*float64(time.Millisecond))))
			}
		default:
		}
	}
	return Remote{Reads: len(reads), ReadOverWANP50: reads.At(50), Orders: len(orders), OrderOverWANP50: orders.At(50)}
}

func (e evidence) timeline(ops []history.Op) []Second {
	type second struct {
		at     int
		region regions.Name
	}
	seconds := map[second][]history.Op{}
	for _, op := range ops {
		if counts(op) && op.Home != "" {
			s := second{int(op.Intended.Sub(e.Result.Began) / time.Second), op.Home}
			seconds[s] = append(seconds[s], op)
		}
	}
	out := []Second{}
	for s, ops := range seconds {
		t := tallyOf(ops)
		out = append(out, Second{
			At: s.at, Region: s.region, Requests: len(ops), Failed: len(t.failed),
			CallerCatalogReadP50: latencies(t.reads, history.Op.Latency).At(50), CallerPlaceOrderP50: latencies(t.orders, history.Op.Latency).At(50),
		})
	}
	names := e.catalog.Names()
	slices.SortFunc(out, func(a, b Second) int {
		return cmp.Or(slices.Index(names, a.Region)-slices.Index(names, b.Region), a.At-b.At)
	})
	return out
}

// since returns a time as milliseconds since the load began.
func (e evidence) since(t time.Time) float64 { return history.Millis(t.Sub(e.Result.Began)) }

package report

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/regions"
)

// Evidence is what the figures are computed from.
type Evidence struct {
	Catalog *regions.Set
	Ops     []history.Op
	Load    load.Config
	Result  load.Result
	Changes []internet.Change
	Lost    Lost
	Placed  int // orders in the database
}

// Lost is the fault of the run: one region, killed.
type Lost struct {
	Kind         string
	Region       regions.Name
	At           time.Time
	Healed       time.Time
	LeasesMoveAt time.Time // zero: not known
	Processes    []string
}

// Build computes the figures of a run that lost a region, its objectives, and the violations of one that was vacuous.
func Build(e Evidence) (Loss, []Objective, []check.Violation) {
	ops := e.loaded()
	l := Loss{
		Load:     e.load(ops),
		Orders:   e.orders(),
		Regions:  e.regions(ops),
		Others:   e.others(ops),
		Recovery: e.recovery(ops),
		Faults:   []Fault{e.fault(ops)},
		Entries:  e.entries(),
		Timeline: e.timeline(ops),
	}
	l.Remote = e.remote(ops, l.Regions)
	return l, objectives(e, l), guards(l)
}

// loaded returns the requests of the load itself, without those that set it up or warmed it up.
func (e Evidence) loaded() []history.Op {
	return slices.DeleteFunc(slices.Clone(e.Ops), func(op history.Op) bool {
		return op.Intended.Before(e.Result.Began) || op.Kind == history.SignUp
	})
}

// counts reports whether a request is one that success ratios count: what a caller wanted, at the first
// attempt. Retries, deliberate replays and the single messages of a stream are not.
func counts(op history.Op) bool {
	return op.Kind != history.WatchMessage && op.Attempt == 1 && !op.Replay
}

// succeeded reports whether a request was served.
func succeeded(op history.Op) bool {
	return op.Outcome == history.OK || op.Outcome == history.Fail && history.Refusal(op.Reason)
}

// phase is a part of the run.
type phase int

const (
	before phase = iota
	during
	after
)

// phaseOf places a request: one that was under way when the fault struck belongs to what came of it.
func (e Evidence) phaseOf(op history.Op) phase {
	switch {
	case e.Lost.At.IsZero() || op.Returned.Before(e.Lost.At):
		return before
	case e.Lost.Healed.IsZero() || op.Intended.Before(e.Lost.Healed):
		return during
	default:
		return after
	}
}

func (e Evidence) load(ops []history.Op) Load {
	requests := 0
	for _, op := range ops {
		if op.Kind != history.WatchMessage {
			requests++
		}
	}
	return Load{
		Arrivals: e.Result.Arrivals, DroppedArrivals: e.Result.Dropped, Diverted: e.Result.Diverted, Requests: requests,
		Rate: e.Load.Rate, DurationS: e.Load.Duration.Seconds(), MaxStartDelayMS: millis(e.Result.MaxStartDelay),
		Shoppers: e.Load.Shoppers, UTCHour: e.Load.Hour,
	}
}

// orders counts those of the warm-up, too: the promises are the same.
func (e Evidence) orders() Orders {
	out := Orders{Placed: e.Placed, Refusals: map[string]int{}}
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

func (e Evidence) regions(ops []history.Op) map[regions.Name]*Region {
	type measures struct{ edgeReads, edgeOrders, callerReads, callerOrders latencies }
	out := map[regions.Name]*Region{}
	for _, name := range e.Catalog.Names() {
		var parts [3]Phase
		var m [3]measures
		for _, op := range ops {
			if op.Home != name || op.Nearest != name || !counts(op) {
				continue
			}
			p := e.phaseOf(op)
			parts[p].Requests++
			switch {
			case !succeeded(op):
				parts[p].Failed++
			case op.Outcome == history.OK && op.Kind.Catalog():
				m[p].edgeReads.add(op.Edge)
				m[p].callerReads.add(op.Latency())
			case op.Outcome == history.OK && op.Kind == history.PlaceOrder:
				m[p].edgeOrders.add(op.Edge)
				m[p].callerOrders.add(op.Latency())
			}
		}
		for p := range parts {
			part := &parts[p]
			part.SuccessRatio = ratio(part.Requests-part.Failed, part.Requests)
			part.CatalogReads = m[p].callerReads.count()
			part.PlacedOrders = m[p].callerOrders.count()
			part.CatalogReadP50 = m[p].edgeReads.at(50)
			part.CatalogReadP99 = m[p].edgeReads.at(99)
			part.PlaceOrderP50 = m[p].edgeOrders.at(50)
			part.PlaceOrderP99 = m[p].edgeOrders.at(99)
			part.CallerCatalogReadP50 = m[p].callerReads.at(50)
			part.CallerCatalogReadP99 = m[p].callerReads.at(99)
			part.CallerPlaceOrderP50 = m[p].callerOrders.at(50)
			part.CallerPlaceOrderP99 = m[p].callerOrders.at(99)
		}
		out[name] = &Region{QuorumRTTMS: millis(e.Catalog.QuorumRTT(name)), Before: parts[before], During: parts[during], After: parts[after]}
	}
	return out
}

func (e Evidence) others(ops []history.Op) Others {
	out := Others{Failures: []Failure{}}
	var counted []history.Op
	for _, op := range ops {
		if !counts(op) || op.Home == e.Lost.Region || op.Nearest == e.Lost.Region || e.phaseOf(op) == before {
			continue
		}
		counted = append(counted, op)
		if !succeeded(op) {
			out.Failed++
			out.Failures = append(out.Failures, Failure{
				AtMS: e.since(op.Intended), Kind: string(op.Kind), Home: op.Home, City: op.City,
				Code: op.Code, Reason: op.Reason, Detail: op.Message,
			})
		}
	}
	out.Requests = len(counted)
	out.SuccessRatio = ratio(out.Requests-out.Failed, out.Requests)
	out.MinWindowSuccessRatio = worstWindow(counted)
	return out
}

func (e Evidence) remote(ops []history.Op, at map[regions.Name]*Region) Remote {
	var reads, orders latencies
	for _, op := range ops {
		if op.Outcome != history.OK || e.phaseOf(op) != before || op.Served != op.Home || op.Entry == op.Home || op.Edge == 0 || !counts(op) {
			continue
		}
		over := op.Edge - e.Catalog.RTT(op.Entry, op.Home)
		switch op.Kind {
		case history.GetCart, history.GetOrder:
			reads.add(over)
		case history.PlaceOrder:
			if home := at[op.Home].Before.PlaceOrderP50; home != nil {
				orders.add(over - time.Duration(*home*float64(time.Millisecond)))
			}
		default:
		}
	}
	return Remote{Reads: reads.count(), ReadOverWANP50: reads.at(50), Orders: orders.count(), OrderOverWANP50: orders.at(50)}
}

func (e Evidence) entries() []Entry {
	out := []Entry{}
	for _, c := range e.Changes {
		out = append(out, Entry{AtMS: e.since(c.At), Region: c.Region, Up: c.Up})
	}
	return out
}

// since returns a time as milliseconds since the load began.
func (e Evidence) since(t time.Time) float64 { return millis(t.Sub(e.Result.Began)) }

package overload

import (
	"context"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// Objectives.
const (
	goodputObjective  = 0.9 // of the capacity
	checkoutObjective = 0.99
	refusalObjective  = 5.0  // ms
	recoveryObjective = 5000 // ms
)

// What must hold for the figures to mean anything.
const (
	AskedEnough  = "asked-for-too-much" // this machine sent what it was to
	RefusedSome  = "something-refused"  // it was an overload
	TriedEnough  = "enough-orders-tried"
	fewestOrders = 30
)

// Figures are what an overload came to.
type Figures struct {
	Capacity   float64          `json:"capacity_per_s"` // measured
	Asked      float64          `json:"asked_per_s"`    // during the overload
	Goodput    float64          `json:"goodput_per_s"`  // served during it
	Kinds      map[string]Count `json:"kinds"`          // during it
	RefusalP50 float64          `json:"refusal_p50_ms"` // as the caller sees it
	RefusalP99 float64          `json:"refusal_p99_ms"` // as the caller sees it
	Recovered  *float64         `json:"recovered_ms"`   // after its end, until all is well for two seconds; null: not
}

// PercentServed is the goodput in percent of the capacity.
func (f Figures) PercentServed() float64 { return 100 * f.Goodput / f.Capacity }

// Count is what became of requests of a kind.
type Count struct {
	Served  int `json:"served"`
	Refused int `json:"refused"` // 429 and 503
	Failed  int `json:"failed"`  // all else
}

// kindOf names what a request is to the shopper who makes it.
func kindOf(op history.Op) string {
	switch op.Kind {
	case history.PlaceOrder:
		return "checkout"
	case history.SetItem:
		return "cart"
	default:
		return "browse"
	}
}

// judge holds the figures against the objectives.
func (d *drill) judge(context.Context, *scenario.Run, scenario.Evidence) (scenario.Verdict, error) {
	f := figures(d.capacity, d.heavy, d.calm)
	orders := f.Kinds["checkout"]
	tried := orders.Served + orders.Refused + orders.Failed
	var served *float64
	if tried > 0 {
		served = new(float64(orders.Served) / float64(tried))
	}
	v := scenario.Verdict{
		Figures: f, Invariants: []string{AskedEnough, RefusedSome, TriedEnough},
		Objectives: []report.Objective{
			report.AtLeast("goodput", "served within a second during the overload, of the capacity", goodputObjective, new(f.Goodput/f.Capacity)),
			report.AtLeast("checkouts_served", "of the orders that were tried during the overload", checkoutObjective, served),
			report.AtMost("refusal_p99", "time to a refusal, as the caller sees it on this machine", refusalObjective, &f.RefusalP99),
			report.AtMost("recovered", "from the end of the overload until all requests of two seconds are served", recoveryObjective, f.Recovered),
		},
	}
	if f.Asked < 0.9*d.times*f.Capacity {
		v.Fail(AskedEnough, "asked for %.0f requests/s, not %.0f: this machine was too busy", f.Asked, d.times*f.Capacity)
	}
	if f.Kinds["browse"].Refused == 0 {
		v.Fail(RefusedSome, "nothing was refused: it was no overload")
	}
	if tried < fewestOrders {
		v.Fail(TriedEnough, "%d orders were tried; it takes %d for their success to mean anything", tried, fewestOrders)
	}
	return v, nil
}

// figures sums an overload and what followed it up.
func figures(capacity float64, heavy, calm phase) Figures {
	f := Figures{Capacity: capacity, Kinds: map[string]Count{}}
	var refusals history.Latencies
	seconds := heavy.to.Sub(heavy.from).Seconds()
	for _, op := range heavy.answers {
		c := f.Kinds[kindOf(op)]
		switch {
		case op.Outcome == history.OK:
			c.Served++
			if useful(op) && op.Returned.Before(heavy.to) {
				f.Goodput += 1 / seconds
			}
		case refused(op):
			c.Refused++
			refusals = append(refusals, took(op))
		default:
			c.Failed++
		}
		f.Kinds[kindOf(op)] = c
	}
	f.Asked = float64(len(heavy.answers)) / seconds
	if len(refusals) > 0 {
		f.RefusalP50, f.RefusalP99 = *refusals.At(50), *refusals.At(99)
	}
	if took, ok := recovered(calm); ok {
		f.Recovered = new(history.Millis(took))
	}
	return f
}

// recovered returns how long after the beginning of a phase the last request failed that was followed by a failure
// within two seconds; false if the phase ends too early to tell.
func recovered(p phase) (time.Duration, bool) {
	answers := slices.SortedFunc(slices.Values(p.answers), func(a, b history.Op) int { return a.Invoked.Compare(b.Invoked) })
	since := p.from
	for _, op := range answers {
		if op.Invoked.Sub(since) >= recoveredOnce {
			break
		}
		if !useful(op) {
			since = op.Invoked
		}
	}
	return since.Sub(p.from), p.to.Sub(since) >= recoveredOnce
}

package attack

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// Objectives.
const (
	slowerObjective = 1.1  // PlaceOrder's p50 beside the strange requests, of that without
	servedObjective = 0.99 // of the shoppers' reads and carts during the flood
)

// What must hold.
const (
	NothingLeft = "nothing-leaves-service" // no instance and no region, at any edge, while strange requests came

	// For the figures to mean anything.
	SentEnough   = "attacked-enough"
	TriedEnough  = "enough-orders-tried"
	fewestOrders = 30  // without the attack, and beside it
	fewestFlood  = 500 // garbage per second
)

// Figures are what the attacks came to.
type Figures struct {
	CalmP50       *float64 `json:"order_p50_ms"`          // of PlaceOrder, without strange requests
	AttackedP50   *float64 `json:"order_p50_attacked_ms"` // beside them
	CalmOrders    int      `json:"orders"`
	AttackOrders  int      `json:"orders_attacked"`
	Strange       int      `json:"strange_requests"`
	StrangeFate   string   `json:"strange_answers"` // how many of each status
	Garbage       float64  `json:"garbage_per_s"`   // what this machine could send
	GarbageFate   string   `json:"garbage_answers"` // how many of each status
	Flooded       Count    `json:"reads_and_carts"` // of shoppers, during the flood
	FloodedOrders Count    `json:"orders_flooded"`  // of shoppers, during the flood
	Refusals      string   `json:"refusals"`        // of shoppers, during the flood: how many for each reason
}

// Count is what became of shoppers' requests.
type Count struct {
	Served int `json:"served"`
	Tried  int `json:"tried"`
}

func (c *Count) add(o history.Op) {
	c.Tried++
	if o.Succeeded() { // sold out is an answer, too
		c.Served++
	}
}

// judge holds what was seen against the objectives, and has the database audited.
func (d *drill) judge(ctx context.Context, r *scenario.Run, _ scenario.Evidence) (scenario.Verdict, error) {
	found, err := r.Examine(ctx)
	if err != nil {
		return scenario.Verdict{}, err
	}
	f := d.figures()
	var slowest float64
	var served *float64
	if f.CalmP50 != nil {
		slowest = slowerObjective * *f.CalmP50
	}
	if f.Flooded.Tried > 0 {
		served = new(float64(f.Flooded.Served) / float64(f.Flooded.Tried))
	}
	v := scenario.Verdict{
		Violations: found.Audited, Figures: f, Invariants: []string{NothingLeft, SentEnough, TriedEnough},
		Objectives: []report.Objective{
			report.AtMost("order_p50", "PlaceOrder beside strange requests; the limit is 1.1 times that without them", slowest, f.AttackedP50),
			report.AtLeast("flood_served", "of the shoppers' reads and carts during the flood", servedObjective, served),
		},
	}
	if len(d.left) > 0 {
		v.Fail(NothingLeft, "out of service: %s", strings.Join(slices.Sorted(maps.Keys(d.left)), "; "))
	}
	meant := int(d.rate * d.stretch.Seconds() * float64(d.pairs))
	if f.Strange < meant*8/10 || f.Garbage < min(fewestFlood, d.floodRate)*8/10 {
		v.Fail(SentEnough, "%d strange requests of %d, and %.0f garbage orders a second: this machine was too busy", f.Strange, meant, f.Garbage)
	}
	if f.CalmOrders < fewestOrders || f.AttackOrders < fewestOrders {
		v.Fail(TriedEnough, "%d orders without the attack and %d beside it; it takes %d of each", f.CalmOrders, f.AttackOrders, fewestOrders)
	}
	return v, nil
}

// figures sums up what the shoppers did.
func (d *drill) figures() Figures {
	f := Figures{
		Strange: d.sent.total(), StrangeFate: d.sent.String(),
		Garbage: float64(d.garbage.total()) / d.flood.Seconds(), GarbageFate: d.garbage.String(),
	}
	calm, attacked := orders(&d.calm), orders(&d.attacked)
	f.CalmP50, f.CalmOrders, f.AttackedP50, f.AttackOrders = calm.At(50), len(calm), attacked.At(50), len(attacked)
	var refusals tally
	for _, op := range d.flooded.Ops() {
		if op.Outcome != history.OK {
			refusals.add(cmp.Or(op.Reason, op.Code, unanswered))
		}
		if op.Kind == history.PlaceOrder {
			f.FloodedOrders.add(op)
		} else {
			f.Flooded.add(op)
		}
	}
	f.Refusals = refusals.String()
	return f
}

// orders returns how long those took that were placed.
func orders(h *history.History) (l history.Latencies) {
	for _, op := range h.Ops() {
		if op.Kind == history.PlaceOrder && op.Outcome == history.OK {
			l = append(l, op.Returned.Sub(op.Invoked))
		}
	}
	return l
}

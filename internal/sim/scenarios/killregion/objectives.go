package killregion

import (
	"fmt"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// The targets.
const (
	catalogReadLimit   = 3.0   // ms, p50 inside the edge
	orderQuorumFactor  = 1.15  // of the declared quorum round trip, p50 inside the edge
	overWANLimit       = 10.0  // ms beyond the declared round trip, p50
	othersLimit        = 0.999 // success ratio over any ten seconds
	readsAfterEntryMS  = 1000.0
	ordersAfterEntryMS = 8000.0
)

func (e evidence) objectives(f Figures) []report.Objective {
	var out []report.Objective
	for _, name := range e.catalog.Names() {
		before := f.Regions[name].Before
		out = append(out,
			report.AtMost(fmt.Sprintf("catalog_read_home_p50.%s", name), "p50 of catalog reads at home, before the fault, inside the edge", catalogReadLimit, before.CatalogReadP50),
			report.AtMost(fmt.Sprintf("place_order_home_p50.%s", name), "p50 of PlaceOrder at home, before the fault, inside the edge; 1.15 × the declared quorum round trip",
				orderQuorumFactor*history.Millis(e.catalog.QuorumRTT(name)), before.PlaceOrderP50))
	}
	return append(out,
		report.AtMost("remote_read_over_wan_p50", "p50 of cart and order reads homed in another region than the entry, beyond the declared round trip between the two", overWANLimit, f.Remote.ReadOverWANP50),
		report.AtMost("remote_order_over_wan_p50", "p50 of PlaceOrder homed in another region than the entry, beyond the declared round trip between the two and what it takes at home (p50)", overWANLimit, f.Remote.OrderOverWANP50),
		report.AtLeast("others_min_success_ratio", "lowest success ratio over any ten seconds from the fault on, of callers who neither live in the lost region nor enter there", othersLimit, f.Others.MinWindowSuccessRatio),
		report.AtMost("reads_recovered_after_entry", "catalog reads of the lost region's callers, from the withdrawal of its entry to their recovery", readsAfterEntryMS, f.Recovery.RoutingMS),
		report.AtMost("orders_recovered_after_entry", "orders of the lost region's callers, from the withdrawal of its entry to their recovery", ordersAfterEntryMS, less(f.Recovery.OrdersTotalMS, f.Recovery.EntryMS)))
}

// The guards against a run that proves nothing.
const (
	guardFaultBit      = "fault-bit"
	guardEnoughOrders  = "enough-orders-acknowledged"
	guardNoneDropped   = "no-dropped-arrivals"
	ordersPerSecond    = 0.05 // of the arrival rate; the mix asks for four times as many
	orderAcknowledging = 20   // at the very least
	ordersInPhase      = 10   // before, during and after each
)

// guard adds the violations of a run that was vacuous.
func (f Figures) guard(v *scenario.Verdict) {
	for _, fault := range f.Faults {
		if !fault.Bit {
			v.Violations = append(v.Violations, check.Violation{Invariant: guardFaultBit, IDs: []string{string(fault.Region)},
				Detail: fmt.Sprintf("%s of %s killed %d processes, and no request of its callers failed within %v: the run proves nothing", fault.Kind, fault.Region, len(fault.Processes), biteWindow)})
		}
	}
	if want := max(orderAcknowledging, int(ordersPerSecond*f.Load.Rate*f.Load.DurationS)); f.Orders.Acknowledged < want {
		v.Fail(guardEnoughOrders, "%d orders were acknowledged, want at least %d", f.Orders.Acknowledged, want)
	}
	var orders [3]int
	for _, r := range f.Regions {
		for i, p := range []Phase{r.Before, r.During, r.After} {
			orders[i] += p.PlacedOrders
		}
	}
	for i, phase := range []string{"before the fault", "during the fault", "after it was healed"} {
		if orders[i] < ordersInPhase {
			v.Fail(guardEnoughOrders, "%d orders of callers at home were acknowledged %s, want at least %d", orders[i], phase, ordersInPhase)
		}
	}
	if f.Load.DroppedArrivals > 0 {
		v.Fail(guardNoneDropped, "the generator dropped %d of %d arrivals: it was slower than its schedule", f.Load.DroppedArrivals, f.Load.Arrivals)
	}
}

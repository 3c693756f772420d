package report

import (
	"fmt"

	"github.com/meridian-commerce/meridian/internal/sim/check"
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

func objectives(e Evidence, r Loss) []Objective {
	var out []Objective
	for _, name := range e.Catalog.Names() {
		before := r.Regions[name].Before
		out = append(out,
			AtMost(fmt.Sprintf("catalog_read_home_p50.%s", name), "p50 of catalog reads at home, before the fault, inside the edge", catalogReadLimit, before.CatalogReadP50),
			AtMost(fmt.Sprintf("place_order_home_p50.%s", name), "p50 of PlaceOrder at home, before the fault, inside the edge; 1.15 × the declared quorum round trip",
				orderQuorumFactor*millis(e.Catalog.QuorumRTT(name)), before.PlaceOrderP50))
	}
	return append(out,
		AtMost("remote_read_over_wan_p50", "p50 of cart and order reads homed in another region than the entry, beyond the declared round trip between the two", overWANLimit, r.Remote.ReadOverWANP50),
		AtMost("remote_order_over_wan_p50", "p50 of PlaceOrder homed in another region than the entry, beyond the declared round trip between the two and what it takes at home (p50)", overWANLimit, r.Remote.OrderOverWANP50),
		AtLeast("others_min_success_ratio", "lowest success ratio over any ten seconds from the fault on, of callers who neither live in the lost region nor enter there", othersLimit, r.Others.MinWindowSuccessRatio),
		AtMost("reads_recovered_after_entry", "catalog reads of the lost region's callers, from the withdrawal of its entry to their recovery", readsAfterEntryMS, less(r.Recovery.ReadsTotalMS, r.Recovery.EntryMS)),
		AtMost("orders_recovered_after_entry", "orders of the lost region's callers, from the withdrawal of its entry to their recovery", ordersAfterEntryMS, less(r.Recovery.OrdersTotalMS, r.Recovery.EntryMS)))
}

func less(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return rounded(max(0, *a-*b))
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

// guards returns the violations of a run that was vacuous.
func guards(r Loss) []check.Violation {
	var out []check.Violation
	for _, f := range r.Faults {
		if !f.Bit {
			out = append(out, check.Violation{Invariant: guardFaultBit, IDs: []string{string(f.Region)},
				Detail: fmt.Sprintf("%s of %s killed %d processes, and no request of its callers failed within %v: the run proves nothing", f.Kind, f.Region, len(f.Processes), biteWindow)})
		}
	}
	want := max(orderAcknowledging, int(ordersPerSecond*r.Load.Rate*r.Load.DurationS))
	if r.Orders.Acknowledged < want {
		out = append(out, check.Violation{Invariant: guardEnoughOrders, IDs: []string{},
			Detail: fmt.Sprintf("%d orders were acknowledged, want at least %d", r.Orders.Acknowledged, want)})
	}
	for phase, n := range ordersByPhase(r) {
		if n < ordersInPhase {
			out = append(out, check.Violation{Invariant: guardEnoughOrders, IDs: []string{},
				Detail: fmt.Sprintf("%d orders of callers at home were acknowledged %s, want at least %d", n, [...]string{"before the fault", "during the fault", "after it was healed"}[phase], ordersInPhase)})
		}
	}
	if r.Load.DroppedArrivals > 0 {
		out = append(out, check.Violation{Invariant: guardNoneDropped, IDs: []string{},
			Detail: fmt.Sprintf("the generator dropped %d of %d arrivals: it was slower than its schedule", r.Load.DroppedArrivals, r.Load.Arrivals)})
	}
	return out
}

func ordersByPhase(r Loss) [3]int {
	var out [3]int
	for _, region := range r.Regions {
		for i, p := range []Phase{region.Before, region.During, region.After} {
			out[i] += p.PlacedOrders
		}
	}
	return out
}

package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Page is the loss as people read it.
func (l Loss) Page() (Page, error) {
	charts, err := l.charts()
	p := Page{
		Means: "Every acknowledged order exists once and reached its state; no payment was taken twice.",
		Summary: [][2]string{
			{"load", fmt.Sprintf("%d arrivals (%d dropped), %d requests in %.0f s", l.Load.Arrivals, l.Load.DroppedArrivals, l.Load.Requests, l.Load.DurationS)},
			{"orders", fmt.Sprintf("%d acknowledged, %d unknown, %d refused, %d rows", l.Orders.Acknowledged, l.Orders.Unknown, l.Orders.Failed, l.Orders.Placed)},
		},
		Charts: charts,
		Tables: []Table{l.regionsTable(), l.failuresTable()},
	}
	if len(l.Orders.Refusals) > 0 {
		p.Summary = append(p.Summary, [2]string{"refused", fmt.Sprint(l.Orders.Refusals)})
	}
	p.Summary = append(p.Summary,
		[2]string{"recovery", fmt.Sprintf("entry %s + routing %s + database %s", Millis(l.Recovery.EntryMS), Millis(l.Recovery.RoutingMS), Millis(l.Recovery.DatabaseMS))},
		[2]string{"", fmt.Sprintf("reads back after %s, orders after %s", Millis(l.Recovery.ReadsTotalMS), Millis(l.Recovery.OrdersTotalMS))})
	return p, err
}

func (l Loss) regionsTable() Table {
	t := Table{
		Title: "Callers at home, by region",
		Note:  "Inside the edge, unless it says caller. A caller at home lives in the region whose edge is nearest.",
		Head:  []string{"region", "phase", "requests", "success", "catalog p50", "p99", "order p50", "p99", "order p50, caller"},
	}
	for _, name := range slices.Sorted(maps.Keys(l.Regions)) {
		region := l.Regions[name]
		for i, ph := range []Phase{region.Before, region.During, region.After} {
			t.Rows = append(t.Rows, []string{
				string(name), [...]string{"before", "during", "after"}[i], strconv.Itoa(ph.Requests), percent(ph.SuccessRatio),
				Millis(ph.CatalogReadP50), Millis(ph.CatalogReadP99), Millis(ph.PlaceOrderP50), Millis(ph.PlaceOrderP99), Millis(ph.CallerPlaceOrderP50),
			})
		}
	}
	return t
}

func (l Loss) failuresTable() Table {
	t := Table{Title: "Failures of other regions' callers after the fault", Head: []string{"at", "request", "from", "home", "error"}}
	for _, f := range l.Others.Failures {
		t.Rows = append(t.Rows, []string{
			fmt.Sprintf("%.1f s", f.AtMS/1000), f.Kind, f.City, string(f.Home), f.Code + " " + f.Reason + " " + f.Detail,
		})
	}
	return t
}

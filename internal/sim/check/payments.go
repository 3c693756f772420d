package check

import "fmt"

// captures: the provider took money at most once for a payment and for an order, never more than was
// authorized, and only for an order that exists and was not canceled.
func captures(k kept) []Violation {
	perOrder := map[string]int{}
	var twice, stray []finding
	for _, p := range k.Payments {
		perOrder[p.Order] += len(p.Captures)
		if len(p.Captures) == 0 {
			continue
		}
		switch orders := k.byID[p.Order]; {
		case len(orders) == 0:
			stray = append(stray, finding{p.Order, fmt.Sprintf("does not exist, but its payment %s was captured", p.ID)})
		case orders[0].State == "canceled":
			stray = append(stray, finding{p.Order, fmt.Sprintf("is canceled, but its payment %s was captured", p.ID)})
		}
	}
	for _, p := range k.Payments {
		if n := perOrder[p.Order]; n > 1 {
			twice = append(twice, finding{p.Order, fmt.Sprintf("was captured %d times (payment %s)", n, p.ID)})
			perOrder[p.Order] = 0
		}
	}
	return append(violation(CaptureOnce, twice), violation(CaptureHasOrder, stray)...)
}

// paid: a fulfilled order was paid in full, in its currency.
func paid(k kept) []Violation {
	type sum struct {
		amount   int64
		currency string
	}
	taken := map[string]sum{}
	for _, p := range k.Payments {
		t := sum{taken[p.Order].amount, p.Currency}
		if len(p.Captures) > 0 { // a second capture is CaptureOnce's matter
			t.amount += p.Captures[0].Amount
		}
		taken[p.Order] = t
	}
	var found []finding
	for _, o := range k.Orders {
		if t := taken[o.ID]; o.State == "fulfilled" && t != (sum{o.Total, o.Currency}) {
			found = append(found, finding{o.ID, fmt.Sprintf("is fulfilled and costs %d %s, but the provider took %d %s", o.Total, o.Currency, t.amount, t.currency)})
		}
	}
	return violation(FulfilledPaid, found)
}

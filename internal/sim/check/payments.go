package check

// captures: the provider took money at most once for a payment and for an order, never more than was
// authorized, and only for an order that exists and was not canceled.
func (f findings) captures(k kept) {
	perOrder := map[string]int{}
	for _, p := range k.Payments {
		perOrder[p.Order] += len(p.Captures)
		if len(p.Captures) == 0 {
			continue
		}
		switch orders := k.byID[p.Order]; {
		case len(orders) == 0:
			f.add(CaptureHasOrder, p.Order, "does not exist, but its payment %s was captured", p.ID)
		case orders[0].State == "canceled":
			f.add(CaptureHasOrder, p.Order, "is canceled, but its payment %s was captured", p.ID)
		}
	}
	for _, p := range k.Payments {
		if n := perOrder[p.Order]; n > 1 {
			f.add(CaptureOnce, p.Order, "was captured %d times (payment %s)", n, p.ID)
			perOrder[p.Order] = 0
		}
	}
}

// paid: a fulfilled order was paid in full, in its currency.
func (f findings) paid(k kept) {
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
	for _, o := range k.Orders {
		if t := taken[o.ID]; o.State == "fulfilled" && t != (sum{o.Total, o.Currency}) {
			f.add(FulfilledPaid, o.ID, "is fulfilled and costs %d %s, but the provider took %d %s", o.Total, o.Currency, t.amount, t.currency)
		}
	}
}

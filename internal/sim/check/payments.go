package check

import "slices"

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

// agreed says in which states the provider may have a payment, by the state that the system has it in; "" is that it
// does not know it.
var agreed = map[string][]string{
	"created": {""}, "authorizing": {"", "authorized", "declined"}, "declined": {"declined"},
	"authorized": {"authorized"}, "capturing": {"authorized", "captured"}, "captured": {"captured"},
	"voiding": {"authorized", "voided"}, "voided": {"voided"},
}

// provider: the system and the provider have the same payments, of the same amounts, in states that fit.
func (f findings) provider(k kept) {
	if k.Kept == nil {
		return
	}
	theirs := map[string]Payment{}
	for _, p := range k.Payments {
		theirs[p.ID] = p
	}
	for _, own := range k.Kept {
		p, known := theirs[own.ID]
		switch {
		case !slices.Contains(agreed[own.State], p.State):
			f.add(ProviderAgrees, own.Order, "has the payment %s, which is %s here and %q at the provider", own.ID, own.State, p.State)
		case known && (p.Amount != own.Amount || p.Currency != own.Currency):
			f.add(ProviderAgrees, own.Order, "has the payment %s of %d %s here and %d %s at the provider", own.ID, own.Amount, own.Currency, p.Amount, p.Currency)
		}
		delete(theirs, own.ID)
	}
	for _, p := range k.Payments {
		if _, stray := theirs[p.ID]; stray {
			f.add(ProviderAgrees, p.Order, "has the payment %s at the provider, which is none here", p.ID)
		}
	}
}

package check

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
)

// bus: what counts as published is on the bus, and what is on the bus is in the outbox, word for word.
func (f findings) bus(k kept) {
	if k.Bus == nil {
		return
	}
	queued := map[string]bool{}
	for _, e := range k.Events {
		queued[e.ID] = true
		there, ok := k.Bus[e.ID]
		switch {
		case e.Published == nil || e.Published.Before(k.BusSince):
		case !ok:
			f.add(BusHasOutbox, e.Order, "has the event %s, %s, which counts as published and is not on the bus", e.ID, e.Type)
		case there.Aggregate != e.Order || there.Type != e.Type || !bytes.Equal(there.Payload, e.Payload):
			f.add(BusHasOutbox, e.Order, "has the event %s, %s, which is another one on the bus: %s of %s", e.ID, e.Type, there.Type, there.Aggregate)
		}
	}
	for id, e := range k.Bus {
		if !queued[id] {
			f.add(BusHasOutbox, e.Aggregate, "has the event %s on the bus, which is not in the outbox", id)
		}
	}
}

// payloads: an event says what has happened to its order.
func (f findings) payloads(k kept) {
	payment := map[string]string{}
	for _, p := range k.Kept {
		payment[p.Order] = p.ID
	}
	for _, e := range k.Events {
		if orders := k.byID[e.Order]; len(orders) > 0 && !tells(e, orders[0], payment[e.Order]) {
			f.add(EventTellsChange, e.Order, "has the event %s, %s, which tells of something else", e.ID, e.Type)
		}
	}
}

// tells reports whether an event's payload is about its order.
func tells(e Event, o Order, payment string) bool {
	is := func(into proto.Message) bool { return proto.Unmarshal(e.Payload, into) == nil }
	var placed eventv1.OrderPlaced
	var confirmed eventv1.OrderConfirmed
	var fulfilled eventv1.OrderFulfilled
	var canceled eventv1.OrderCanceled
	switch e.Type {
	case "meridian.order.placed.v1":
		return is(&placed) && placed.GetOrderId() == o.ID && placed.GetHomeRegion() == string(o.Home) && placed.GetUserId() == o.User &&
			placed.GetTotal().GetMinorUnits() == o.Total && placed.GetTotal().GetCurrency() == o.Currency
	case "meridian.order.confirmed.v1":
		return is(&confirmed) && confirmed.GetOrderId() == o.ID && confirmed.GetHomeRegion() == string(o.Home) && (payment == "" || confirmed.GetPaymentId() == payment)
	case "meridian.order.fulfilled.v1":
		return is(&fulfilled) && fulfilled.GetOrderId() == o.ID && fulfilled.GetHomeRegion() == string(o.Home)
	case "meridian.order.canceled.v1":
		return is(&canceled) && canceled.GetOrderId() == o.ID && canceled.GetHomeRegion() == string(o.Home) && canceled.GetReason() != ""
	}
	return true // not an event that this checker knows
}

package event_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[event.Type]event.Aggregate{
		event.OrderPlaced:            "order",
		event.OrderCanceled:          "order",
		"meridian.refund.made.v12":   "refund",
		"":                           "",
		"meridian..made.v1":          "",
		"meridian.order.v1":          "",
		"meridian.order.placed":      "",
		"meridian.order.placed.1":    "",
		"meridian.order..v1":         "",
		"meridian.order.pla.ced.v1":  "",
		"acme.order.placed.v1":       "",
		"meridian.gift_2.sold.v1":    "gift_2",
		"meridian.gift card.sold.v1": "",
		"meridian.Gift.sold.v1":      "",
		"meridian.gïft.sold.v1":      "",
	} {
		if got := kind.Aggregate(); got != want {
			t.Errorf("%q is about %q, want %q", kind, got, want)
		}
	}
	order := event.OrderPlaced.Aggregate()
	if topic, source := order.Topic(), order.Source("eu-west-1"); topic != "meridian.orders" || source != "/meridian/orders/eu-west-1" {
		t.Errorf("orders are at %s, from %s", topic, source)
	}
}

func TestConsumer(t *testing.T) {
	t.Parallel()
	c := event.Consumer{
		Name: "c", Types: []event.Type{event.OrderPlaced, "meridian.refund.made.v1", event.OrderCanceled},
		Effect: func(context.Context, sqldb.Tx, event.Event) error { return nil },
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"meridian.orders", "meridian.refunds"}, c.Topics()); diff != "" {
		t.Error(diff)
	}
	if c.Wants(event.OrderConfirmed) || !c.Wants(event.OrderCanceled) {
		t.Error("it wants what it did not ask for, or not what it did")
	}
	for name, spoil := range map[string]func(*event.Consumer){
		"no name":  func(c *event.Consumer) { c.Name = "" },
		"no types": func(c *event.Consumer) { c.Types = nil },
		"nothing":  func(c *event.Consumer) { c.Effect = nil },
		"no rule":  func(c *event.Consumer) { c.Types = append(c.Types, "placed") },
	} {
		c := c
		spoil(&c)
		if err := c.Validate(); !errors.Is(err, event.ErrConsumer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	whole := event.Event{ID: "evt_eu1_1", Home: "eu-west-1", AggregateID: id.New(id.Order, "eu1"), Sequence: 1, Type: event.OrderPlaced}
	if err := whole.Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*event.Event){
		"no id":        func(e *event.Event) { e.ID = "" },
		"no home":      func(e *event.Event) { e.Home = "" },
		"no aggregate": func(e *event.Event) { e.AggregateID = "" },
		"no kind":      func(e *event.Event) { e.AggregateID = "SKU-1" },
		"no sequence":  func(e *event.Event) { e.Sequence = 0 },
		"no type":      func(e *event.Event) { e.Type = "" },
		"no rule":      func(e *event.Event) { e.Type = "order.placed" },
	} {
		e := whole
		spoil(&e)
		if err := e.Validate(); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package event_test

import (
	"testing"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	whole := event.Event{ID: "evt_eu1_1", Home: "eu-west-1", OrderID: "ord_eu1_1", Sequence: 1, Type: event.OrderPlaced}
	if err := whole.Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*event.Event){
		"no id":       func(e *event.Event) { e.ID = "" },
		"no home":     func(e *event.Event) { e.Home = "" },
		"no order":    func(e *event.Event) { e.OrderID = "" },
		"no sequence": func(e *event.Event) { e.Sequence = 0 },
		"no type":     func(e *event.Event) { e.Type = "" },
	} {
		e := whole
		spoil(&e)
		if err := e.Validate(); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

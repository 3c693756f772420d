package ordermetrics_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/ordermetrics"
)

// answers is a store that answers each call with the next of them.
type answers struct {
	order.Store
	next []answer
}

type answer struct {
	id  string // of the order
	err error
}

func (a *answers) answer(p order.Placement) (order.Order, error) {
	n := a.next[0]
	a.next = a.next[1:]
	return order.Order{ID: n.id, Home: p.Home, Total: money.Money{Minor: 250, Currency: "EUR"}}, n.err
}

// Place implements order.Store.
func (a *answers) Place(_ context.Context, p order.Placement) (order.Order, error) {
	return a.answer(p)
}

// Placed implements order.Store.
func (a *answers) Placed(_ context.Context, p order.Placement) (order.Order, error) {
	return a.answer(p)
}

func TestStore(t *testing.T) {
	t.Parallel()
	refused := fault.New(fault.FailedPrecondition, "OUT_OF_STOCK", "none is left")
	unknown := fault.New(fault.Ambiguous, "COMMIT_AMBIGUOUS", "the connection was lost")
	inner := &answers{next: []answer{
		{"a", nil},              // placed
		{"earlier", nil},        // placed by an earlier request with the key
		{"", refused},           // refused
		{"", unknown},           // who knows
		{"", order.ErrNotFound}, // not yet
		{"a", nil},              // it was placed
	}}
	registry := prometheus.NewPedanticRegistry()
	s, err := ordermetrics.New(inner, registry)
	if err != nil {
		t.Fatal(err)
	}
	p := order.Placement{ID: "a", Home: "eu-west-1"}
	for range 4 {
		_, _ = s.Place(t.Context(), p) // what it returns is the inner store's
	}
	for range 2 {
		_, _ = s.Placed(t.Context(), p)
	}
	want := map[string]float64{
		"meridian_orders_placed_total EUR eu-west-1":             2,
		"meridian_orders_placed_minor_units_total EUR eu-west-1": 500,
		"meridian_orders_refused_total eu-west-1 OUT_OF_STOCK":   1,
	}
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ordermetrics.New(inner, registry); err == nil {
		t.Error("registered twice")
	}
}

package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMeasured(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	s := newStore()
	s.total = money.Money{Minor: 250, Currency: "EUR"}
	measured, err := order.NewMeasured(s, registry)
	if err != nil {
		t.Fatal(err)
	}
	service := order.New(measured, regions.Default(), func() time.Time { return now }, nil)
	place := func(r order.Request) { _, _ = service.Place(t.Context(), r) }
	place(request("a"))
	place(request("a")) // the same order
	other := request("a")
	other.CartEtag = "v4"
	place(other) // refused
	s.lost = true
	place(request("b")) // placed, which is learned afterwards
	want := map[string]float64{
		"meridian_orders_placed_total EUR eu-west-1":                     2,
		"meridian_orders_placed_minor_units_total EUR eu-west-1":         500,
		"meridian_orders_refused_total eu-west-1 IDEMPOTENCY_KEY_REUSED": 1,
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
	if _, err := order.NewMeasured(s, registry); err == nil {
		t.Error("registered twice")
	}
}

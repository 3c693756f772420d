package paymentmetrics_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentmetrics"
)

func TestMeter(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	m := paymentmetrics.NewMeter(reg)
	p := payment.Payment{Home: home, Amount: money.Money{Minor: 1250, Currency: "EUR"}}
	for _, s := range []payment.State{payment.Authorized, payment.Captured, payment.Captured} {
		p.State = s
		m.Settled(p)
	}
	p.State = payment.Capturing
	m.Unsettled(p)
	want := map[string]float64{
		"meridian_payment_settled_total eu-west-1 authorized":           1,
		"meridian_payment_settled_total eu-west-1 captured":             2,
		"meridian_payment_captured_minor_units_total EUR eu-west-1":     2500,
		"meridian_payment_unsettled_total eu-west-1 " + string(p.State): 1,
	}
	if diff := cmp.Diff(want, series(t, reg)); diff != "" {
		t.Error(diff)
	}
}

package paymentmetrics_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentmetrics"
	"github.com/meridian-commerce/meridian/regions"
)

const home regions.Name = "eu-west-1"

// series returns each series of a registry by its name and the values of its labels.
func series(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() // a series is one of the two
		}
	}
	return out
}

// opens answers with what a test put there.
type opens struct {
	found []payment.Open
	err   error
}

func (o *opens) Open(context.Context, regions.Name) ([]payment.Open, error) { return o.found, o.err }

func TestBacklog(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	o := &opens{}
	b := paymentmetrics.NewBacklog(o, reg)
	want := map[string]float64{}
	for state, n := range map[payment.State][2]float64{
		payment.Created: {2, 60}, payment.Authorizing: {1, 90}, payment.Authorized: {7, 3600}, payment.Capturing: {0, 0}, payment.Voiding: {0, 0},
		payment.Refunding: {1, 5},
	} {
		want["meridian_payment_open eu-west-1 "+string(state)] = n[0]
		want["meridian_payment_oldest_open_seconds eu-west-1 "+string(state)] = n[1]
	}
	o.found = []payment.Open{
		{State: payment.Created, Count: 2, Oldest: time.Minute},
		{State: payment.Authorizing, Count: 1, Oldest: 90 * time.Second},
		{State: payment.Authorized, Count: 7, Oldest: time.Hour},
		{State: payment.Refunding, Count: 1, Oldest: 5 * time.Second},
	}
	if n, err := b.Measure(t.Context(), home); n != 0 || err != nil {
		t.Fatalf("Measure: %d, %v", n, err)
	}
	if diff := cmp.Diff(want, series(t, reg)); diff != "" {
		t.Error(diff)
	}
	o.found = nil // what is done is 0 and not what it was
	if _, err := b.Measure(t.Context(), home); err != nil || series(t, reg)["meridian_payment_open eu-west-1 created"] != 0 {
		t.Errorf("nothing is open: %v, %v", series(t, reg), err)
	}
	o.err = errors.New("no database")
	if _, err := b.Measure(t.Context(), home); !errors.Is(err, o.err) {
		t.Errorf("Measure: %v", err)
	}
	b.Forget(home)
	if got := series(t, reg); len(got) != 0 {
		t.Errorf("forgotten: %v", got)
	}
}

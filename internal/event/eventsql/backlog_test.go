package eventsql_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/event/eventsql"
)

func TestBacklog(t *testing.T) {
	t.Parallel()
	f := open(t)
	reg := prometheus.NewPedanticRegistry()
	b := eventsql.NewBacklog(f.db, reg)
	gauges := func() (events, seconds float64) {
		t.Helper()
		if n, err := b.Measure(t.Context(), home); n != 0 || err != nil {
			t.Fatalf("Measure: %d, %v", n, err)
		}
		families, err := reg.Gather()
		if err != nil || len(families) != 2 {
			t.Fatalf("%d metrics, %v", len(families), err)
		}
		return families[1].GetMetric()[0].GetGauge().GetValue(), families[0].GetMetric()[0].GetGauge().GetValue()
	}
	if events, seconds := gauges(); events != 0 || seconds != 0 {
		t.Errorf("empty: %v events, the oldest %v s old", events, seconds)
	}
	old, elsewhere, awaiting := newEvent("a", 2), newEvent("x", 1), newEvent("b", 1)
	old.CreatedAt = old.CreatedAt.Add(-time.Hour)
	elsewhere.Home = "us-east-1"
	elsewhere.CreatedAt = elsewhere.CreatedAt.Add(-24 * time.Hour)
	f.append(old, elsewhere, awaiting)
	if events, seconds := gauges(); events != 2 || seconds < 3600 || seconds > 7200 {
		t.Errorf("two wait: %v events, the oldest %v s old", events, seconds)
	}
	f.step(2)
	if events, seconds := gauges(); events != 1 || seconds > 1800 {
		t.Errorf("one awaits its effect: %v events, the oldest %v s old", events, seconds)
	}
	b.Forget(home)
	if families, err := reg.Gather(); len(families) != 0 || err != nil {
		t.Errorf("forgotten: %d metrics, %v", len(families), err)
	}
	f.lint()
}

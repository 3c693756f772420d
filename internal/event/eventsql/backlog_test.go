package eventsql_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
)

func TestBacklog(t *testing.T) {
	t.Parallel()
	f := open(t)
	reg := prometheus.NewPedanticRegistry()
	b := eventsql.NewBacklog(f.db, []event.Consumer{f.mail, f.search}, reg)
	gauges := func() map[string]float64 {
		t.Helper()
		if n, err := b.Measure(t.Context(), home); n != 0 || err != nil {
			t.Fatalf("Measure: %d, %v", n, err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				labels := ""
				for _, l := range m.GetLabel() {
					labels += " " + l.GetValue()
				}
				got[family.GetName()+labels] = m.GetGauge().GetValue()
			}
		}
		return got
	}
	expect := func(when string, open, mail, search, youngest, oldest float64) {
		t.Helper()
		got := gauges()
		seconds := got["meridian_outbox_oldest_open_seconds eu-west-1"]
		delete(got, "meridian_outbox_oldest_open_seconds eu-west-1")
		want := map[string]float64{
			"meridian_outbox_open_events eu-west-1":               open,
			"meridian_outbox_pending_deliveries mail eu-west-1":   mail,
			"meridian_outbox_pending_deliveries search eu-west-1": search,
		}
		if diff := cmp.Diff(want, got); diff != "" || seconds < youngest || seconds > oldest {
			t.Errorf("%s: the oldest is %v s old\n%s", when, seconds, diff)
		}
	}
	expect("empty", 0, 0, 0, 0, 0)
	old, elsewhere, placed := newEvent("a", 2), newEvent("x", 1), newEvent("b", 1)
	old.CreatedAt = old.CreatedAt.Add(-time.Hour)
	elsewhere.Home = "us-east-1"
	elsewhere.CreatedAt = elsewhere.CreatedAt.Add(-24 * time.Hour)
	f.append(old, elsewhere, placed)
	expect("two wait", 2, 0, 0, 3600, 7200)
	f.step(2)
	expect("one is published and pending", 1, 1, 1, 0, 1800)
	f.take(f.mail, placed)
	expect("for one of two", 1, 0, 1, 0, 1800)
	f.take(f.search, placed)
	expect("taken by all", 0, 0, 0, 0, 0)
	f.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1 AND id = $2`, home, old.ID)
	expect("an old one is to be published again, since now", 1, 0, 0, 0, 1800)
	f.step(1)
	b.Forget(home)
	if families, err := reg.Gather(); len(families) != 0 || err != nil {
		t.Errorf("forgotten: %d metrics, %v", len(families), err)
	}
	f.lint()
}

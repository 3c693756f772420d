package lease_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/regions"
)

// TestLossIsCountedAndTold: a region without a holder is a zero and not a gap, a lost lease counts, one given up does
// not, and the work hears of either.
func TestLossIsCountedAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, registry := newMemory(), prometheus.NewPedanticRegistry()
		var mu sync.Mutex
		stopped := map[regions.Name]int{}
		e, err := lease.New(lease.Config{
			Regions: regions.Default(), Region: eu, Instance: "eu-1", Store: m, Log: slog.New(slog.DiscardHandler), Metrics: registry,
			Work: []lease.Work{{
				Every: time.Second, Step: func(context.Context, regions.Name) (int, error) { return 0, nil },
				Stopped: func(home regions.Name) { mu.Lock(); defer mu.Unlock(); stopped[home]++ },
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		read := func(name string) map[string]float64 {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]float64{}
			for _, f := range families {
				for _, s := range f.GetMetric() {
					if f.GetName() == name {
						out[s.GetLabel()[0].GetValue()] = s.GetGauge().GetValue() + s.GetCounter().GetValue()
					}
				}
			}
			return out
		}
		none := map[string]float64{string(us): 0, string(eu): 0, string(ap): 0}
		if diff := cmp.Diff(none, read("meridian_lease_held")) + cmp.Diff(none, read("meridian_lease_lost_total")); diff != "" {
			t.Errorf("before it runs: %s", diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { e.Run(ctx); close(ended) }()
		wait(3 * time.Second)
		if held := read("meridian_lease_held"); held[string(eu)] != 1 {
			t.Errorf("held %v", held)
		}
		m.set(func() { m.down[eu] = true })
		wait(8 * time.Second)
		if held, lost := read("meridian_lease_held"), read("meridian_lease_lost_total"); held[string(eu)] != 0 || lost[string(eu)] != 1 {
			t.Errorf("after a loss: held %v, lost %v", held, lost)
		}
		m.set(func() { m.down[eu] = false })
		wait(10 * time.Second)
		cancel()
		<-ended
		if lost := read("meridian_lease_lost_total"); lost[string(eu)] != 1 || stopped[eu] != 2 {
			t.Errorf("given up: lost %v, stopped %v", lost, stopped)
		}
	})
}

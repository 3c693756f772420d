package cache

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	fetches   *prometheus.CounterVec
	errors    *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	outdated  prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, state func() int) (*metrics, error) {
	m := &metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_cache_fetches_total",
			Help: "Fetches that gave a value, by where it came from.",
		}, []string{"outcome"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_cache_errors_total",
			Help: "Redis commands that failed (look, fill, claim, invalidate, count, publish) and entries that could not be read or written (decode, encode).",
		}, []string{"operation"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_cache_refreshes_total",
			Help: "Entries that were loaded anew while the old value was served, by outcome: done or failed.",
		}, []string{"outcome"}),
		outdated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "meridian_cache_outdated_fills_total",
			Help: "Loaded values that were not kept: a newer version or an invalidation came first.",
		}),
	}
	breaker := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "meridian_cache_breaker_state",
		Help: "0 Redis is used, 1 it is probed, 2 it is bypassed.",
	}, func() float64 { return float64(state()) })
	for _, outcome := range []Outcome{Hit, Stale, Miss, Bypass} {
		m.fetches.WithLabelValues(string(outcome))
	}
	for _, outcome := range []string{"done", "failed"} {
		m.refreshes.WithLabelValues(outcome)
	}
	for _, operation := range []string{"look", "fill", "claim", "invalidate", "count", "publish", "decode", "encode"} {
		m.errors.WithLabelValues(operation)
	}
	for _, c := range []prometheus.Collector{m.fetches, m.errors, m.refreshes, m.outdated, breaker} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("cache: register metrics: %w", err)
		}
	}
	return m, nil
}

package sqldb

import (
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// RegisterMetrics registers the pool's statistics and what happened to transactions.
func RegisterMetrics(d *DB, registry prometheus.Registerer) error {
	gauges := map[string]struct {
		help string
		read func(s *pgxpool.Stat) float64
	}{
		"meridian_sql_connections":            {"Open connections.", func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) }},
		"meridian_sql_connections_acquired":   {"Connections that run something.", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }},
		"meridian_sql_connections_max":        {"Most connections that the pool opens.", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }},
		"meridian_sql_acquire_waits":          {"Times that all connections were busy.", func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) }},
		"meridian_sql_acquire_waited_seconds": {"Time spent waiting for a connection.", func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() }},
	}
	for name, g := range gauges {
		err := registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 { return g.read(d.pool.Stat()) }))
		if err != nil {
			return fmt.Errorf("sqldb: register metrics: %w", err)
		}
	}
	counters := map[string]struct {
		help string
		read *atomic.Int64
	}{
		"meridian_sql_transactions_retried_total":   {"Transactions that ran again, because they lost against others or their connection.", &d.counts.retried},
		"meridian_sql_transactions_ambiguous_total": {"Transactions whose COMMIT has an unknown outcome.", &d.counts.ambiguous},
	}
	for name, c := range counters {
		err := registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help}, func() float64 { return float64(c.read.Load()) }))
		if err != nil {
			return fmt.Errorf("sqldb: register metrics: %w", err)
		}
	}
	return nil
}

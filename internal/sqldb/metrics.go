package sqldb

import (
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// RegisterMetrics registers the pool's statistics and what happened to transactions.
func RegisterMetrics(d *DB, registry prometheus.Registerer) error {
	gauge := func(name, help string, read func(s *pgxpool.Stat) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "meridian", Subsystem: "sql", Name: name, Help: help},
			func() float64 { return read(d.pool.Stat()) })
	}
	counter := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "meridian", Subsystem: "sql", Name: name, Help: help}, read)
	}
	of := func(n *atomic.Int64) func() float64 { return func() float64 { return float64(n.Load()) } }
	for _, c := range []prometheus.Collector{
		gauge("connections", "Open connections.", func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) }),
		gauge("connections_acquired", "Connections that run something.", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }),
		gauge("connections_max", "Most connections that the pool opens.", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }),
		counter("acquire_waits_total", "Times that all connections were busy.", func() float64 { return float64(d.pool.Stat().EmptyAcquireCount()) }),
		counter("acquire_waited_seconds_total", "Time spent waiting for a connection.", func() float64 { return d.pool.Stat().EmptyAcquireWaitTime().Seconds() }),
		counter("transactions_committed_total", "Transactions that were committed.", of(&d.counts.committed)),
		counter("transactions_retried_total", "Transactions that ran again, because they lost against others or their connection.", of(&d.counts.retried)),
		counter("transactions_exhausted_total", "Transactions given up because the database kept aborting them, or could not be reached.", of(&d.counts.exhausted)),
		counter("transactions_ambiguous_total", "Transactions whose COMMIT has an unknown outcome.", of(&d.counts.ambiguous)),
	} {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("sqldb: register metrics: %w", err)
		}
	}
	return nil
}

// end counts how a transaction ended. What the caller's own function refused is none of the database's doing.
func (c *counts) end(err error) {
	switch {
	case err == nil:
		c.committed.Add(1)
	case fault.Is(err, fault.Ambiguous):
		c.ambiguous.Add(1)
	case retryable(err), lostBeforeCommit(err):
		c.exhausted.Add(1)
	}
}

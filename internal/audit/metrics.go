package audit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/regions"
)

// WriteMetrics writes what an audit found to a file in Prometheus's text format, for the node exporter's textfile
// collector: for each invariant whether it is violated, and when the audit was completed. The file is replaced in one
// step, so that no reader sees a part of it.
func WriteMetrics(file string, found []Violation, c *regions.Set, at time.Time) error {
	registry := prometheus.NewRegistry()
	violated := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "meridian_audit_violated", Help: "1 for an invariant that did not hold at the last audit, 0 for one that did.",
	}, []string{"invariant"})
	completed := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meridian_audit_completed_timestamp_seconds", Help: "When the last audit was completed, in seconds since 1970.",
	})
	all, err := invariants(c, 0)
	if err != nil {
		return err
	}
	for _, i := range all {
		violated.WithLabelValues(i.name).Set(0)
	}
	for _, v := range found {
		violated.WithLabelValues(v.Invariant).Set(1)
	}
	completed.Set(float64(at.Unix()))
	registry.MustRegister(violated, completed)
	if err := prometheus.WriteToTextfile(file, registry); err != nil {
		return fmt.Errorf("audit: write metrics: %w", err)
	}
	return nil
}

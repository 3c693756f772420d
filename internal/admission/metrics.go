package admission

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what admission counts. Counters are looked up once, not for each request.
type metrics struct {
	admitted [classes]prometheus.Counter
	rejected [classes]map[string]prometheus.Counter
}

func newMetrics(g *Gate, registry prometheus.Registerer) (*metrics, error) {
	admitted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "meridian", Subsystem: "admission", Name: "admitted_total", Help: "Requests admitted, by class.",
	}, []string{"class"})
	rejected := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "meridian", Subsystem: "admission", Name: "rejected_total",
		Help: "Requests refused, by class and reason: the name of a rate limit, or overload.",
	}, []string{"class", "reason"})
	m := &metrics{}
	for c := range classes {
		m.admitted[c] = admitted.WithLabelValues(c.String())
		m.rejected[c] = map[string]prometheus.Counter{}
		for _, reason := range []string{policyUser, policyAddress, policySignIn, policyCheckout, reasonOverload} {
			m.rejected[c][reason] = rejected.WithLabelValues(c.String(), reason)
		}
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{admitted, rejected, newLimitCollector(g)} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("admission: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) admit(c Class)                 { m.admitted[c].Inc() }
func (m *metrics) refuse(c Class, reason string) { m.rejected[c][reason].Inc() }

// limitCollector tells the limits at the moment of a scrape.
type limitCollector struct {
	gate            *Gate
	limit, inFlight *prometheus.Desc
}

func newLimitCollector(g *Gate) *limitCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("meridian", "admission", name), help, []string{"region"}, nil)
	}
	return &limitCollector{
		gate:     g,
		limit:    desc("limit", "Requests that may be under way in a region, as adapted to its latency. 0: no limit."),
		inFlight: desc("in_flight", "Requests under way in a region whose answer has not begun."),
	}
}

// Describe implements prometheus.Collector.
func (c *limitCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.limit
	out <- c.inFlight
}

// Collect implements prometheus.Collector.
func (c *limitCollector) Collect(out chan<- prometheus.Metric) {
	for name, l := range c.gate.regions {
		limit, inFlight := l.now()
		out <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, limit, string(name))
		out <- prometheus.MustNewConstMetric(c.inFlight, prometheus.GaugeValue, float64(inFlight), string(name))
	}
}

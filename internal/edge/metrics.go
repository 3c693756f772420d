package edge

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
)

// metrics is what the edge counts.
type metrics struct {
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	retries    *prometheus.CounterVec
	overBudget prometheus.Counter
	failovers  *prometheus.CounterVec
	panics     prometheus.Counter
	trials     *prometheus.CounterVec
	hedges     *prometheus.CounterVec

	mu       sync.RWMutex
	answered map[answerKind]prometheus.Counter // of requests
	took     map[decide.Route]prometheus.Observer
}

// answerKind is what requests are counted by.
type answerKind struct {
	served
	status int
	ending ending
}

// ending is how an exchange ended.
type ending uint8

const (
	asAnswered ending = iota
	asCanceled        // the caller left before the end of the answer
	asAborted         // the answer broke off
)

// codeOf is what metrics and logs call an ending.
func codeOf(status int, e ending) string {
	switch e {
	case asCanceled:
		return "canceled"
	case asAborted:
		return "aborted"
	default:
		return strconv.Itoa(status)
	}
}

func newMetrics(e *Edge, registry prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "meridian", Subsystem: "edge", Name: name, Help: help}
	}
	m := &metrics{
		answered: map[answerKind]prometheus.Counter{}, took: map[decide.Route]prometheus.Observer{},
		requests: prometheus.NewCounterVec(opts("requests_total", "Requests answered, by route, serving region and status code."),
			[]string{"route", "region", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "meridian", Subsystem: "edge", Name: "request_duration_seconds",
			Help:    "Time from a request's arrival to the last byte of its answer, by route. Streams are left out.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .01, .025, .05, .075, .1, .15, .2, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		retries:    prometheus.NewCounterVec(opts("retries_total", "Attempts after the first, by what ended the one before."), []string{"cause"}),
		overBudget: prometheus.NewCounter(opts("retry_budget_exhausted_total", "Retries not made because too many were under way.")),
		failovers:  prometheus.NewCounterVec(opts("failovers_total", "Attempts sent to another region than the one that comes first."), []string{"from", "to"}),
		panics:     prometheus.NewCounter(opts("panic_requests_total", "Requests sent to instances whether healthy or not, because fewer than half are in every region.")),
		hedges:     prometheus.NewCounterVec(opts("hedges_total", "Second requests for GLOBAL reads that took longer than usual, by what came of them: won, lost, or over_budget."), []string{"result"}),
		trials:     prometheus.NewCounterVec(opts("region_trials_total", "Requests that tried an ejected region."), []string{"region"}),
	}
	for _, result := range [...]string{"won", "lost", "over_budget"} {
		m.hedges.WithLabelValues(result) // so that there is a zero to see
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.retries, m.overBudget, m.failovers, m.panics, m.trials, m.hedges, newHealthCollector(e)} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("edge: register metrics: %w", err)
		}
	}
	if e.geoip != nil {
		return m, filewatch.Register(registry, "edge.geoip_file", e.geoip.Refused)
	}
	return m, nil
}

// observe counts a finished exchange; how long a stream took says nothing. The trace of one that is recorded becomes
// an exemplar.
func (m *metrics) observe(k answerKind, took time.Duration, stream bool, t *traced) {
	counter, duration := m.find(k)
	counter.Inc()
	if stream {
		return
	}
	if t.span != nil && t.span.IsRecording() && t.context.IsSampled() {
		if exemplars, ok := duration.(prometheus.ExemplarObserver); ok {
			exemplars.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": t.context.TraceID().String()})
			return
		}
	}
	duration.Observe(took.Seconds())
}

// find returns the metrics of a kind of answer. To look them up by their labels costs more than to count.
func (m *metrics) find(k answerKind) (prometheus.Counter, prometheus.Observer) {
	m.mu.RLock()
	counter := m.answered[k]
	duration := m.took[k.route]
	m.mu.RUnlock()
	if counter != nil && duration != nil {
		return counter, duration
	}
	route := string(k.route)
	if route == "" {
		route = "none"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered[k] = m.requests.WithLabelValues(route, string(k.region), codeOf(k.status, k.ending))
	m.took[k.route] = m.duration.WithLabelValues(route)
	return m.answered[k], m.took[k.route]
}

// healthCollector tells the view of the regions at the moment of a scrape.
type healthCollector struct {
	edge                      *Edge
	healthy, total, live, own *prometheus.Desc
	ejected, drained, weight  *prometheus.Desc
	load                      *prometheus.Desc
}

func newHealthCollector(e *Edge) *healthCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("meridian", "edge", name), help, labels, nil)
	}
	return &healthCollector{
		edge:    e,
		healthy: desc("region_healthy_instances", "Stack instances that answer this edge's probes.", "region"),
		total:   desc("region_instances", "Stack instances that this edge knows.", "region"),
		ejected: desc("region_ejected", "1 while the region must prove itself before it gets its share.", "region"),
		drained: desc("region_drained", "1 while operators have taken the region out of service.", "region"),
		weight:  desc("region_weight_percent", "What operators leave the region of its share.", "region"),
		load:    desc("region_load_ratio", "Part of their capacity that the region's instances say they use, smoothed.", "region"),
		live:    desc("requests_in_flight", "Requests under way."),
		own:     desc("region_membership_source", "1 for where the region's membership comes from.", "region", "source"),
	}
}

// Describe implements prometheus.Collector.
func (c *healthCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.healthy, c.total, c.live, c.own, c.ejected, c.drained, c.weight, c.load} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *healthCollector) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	gauge := func(d *prometheus.Desc, value float64, name string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, name)
	}
	for _, r := range c.edge.view.Snapshot().Regions() {
		name := string(r.Name)
		gauge(c.ejected, oneIf(r.Ejected), name)
		gauge(c.drained, oneIf(r.Control.Drained(now)), name)
		gauge(c.weight, float64(r.Control.Weight), name)
		gauge(c.load, r.Load(), name)
		out <- prometheus.MustNewConstMetric(c.healthy, prometheus.GaugeValue, float64(len(r.Healthy)), name)
		out <- prometheus.MustNewConstMetric(c.total, prometheus.GaugeValue, float64(len(r.Members)), name)
		out <- prometheus.MustNewConstMetric(c.own, prometheus.GaugeValue, 1, name, string(r.Source))
	}
	out <- prometheus.MustNewConstMetric(c.live, prometheus.GaugeValue, float64(c.edge.budget.live.Load()+c.edge.reads.live.Load()))
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

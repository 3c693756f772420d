package admission

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/method"
)

// metrics is what admission counts. Counters are looked up once, not for each request.
type metrics struct {
	admitted [method.Classes]prometheus.Counter
	rejected [method.Classes]map[string]prometheus.Counter
	answers  [method.Classes][results]prometheus.Observer
}

// result is what became of a request, as its caller sees it.
type result uint8

const (
	answered result = iota // as asked
	refused                // the request was at fault, or one too many of its caller's
	unserved               // it was not, and was not served
	left                   // the caller did not wait for the answer
	results                // their number
)

// String returns the result's name, as in metrics.
func (r result) String() string { return [...]string{"ok", "refused", "failed", "canceled"}[r] }

// resultOf says what became of a request from the status of its answer, 0 for none, and from whether the caller left
// before it began.
func resultOf(status int, callerLeft bool) result {
	switch {
	case callerLeft, status == statusClientClosed:
		return left
	case status == 0 || status >= http.StatusInternalServerError:
		return unserved
	case status >= http.StatusBadRequest:
		return refused
	}
	return answered
}

// statusClientClosed is what Connect sends for a canceled call.
const statusClientClosed = 499

func newMetrics(g *Gate, registry prometheus.Registerer) (*metrics, error) {
	admitted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "meridian", Subsystem: "admission", Name: "admitted_total", Help: "Requests admitted, by class.",
	}, []string{"class"})
	rejected := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "meridian", Subsystem: "admission", Name: "rejected_total",
		Help: "Requests refused, by class and reason: the name of a rate limit, or overload.",
	}, []string{"class", "reason"})
	answers := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "meridian", Subsystem: "edge", Name: "answer_duration_seconds",
		Help:    "Time from a request's arrival to the beginning of its answer, refusals included, by class and by what the caller got.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"class", "result"})
	m := &metrics{}
	for c := range method.Classes {
		for r := range results {
			m.answers[c][r] = answers.WithLabelValues(c.String(), r.String())
		}
		m.admitted[c] = admitted.WithLabelValues(c.String())
		m.rejected[c] = map[string]prometheus.Counter{}
		for _, reason := range []string{policyUser, policyAddress, policySignIn, policyCheckout, reasonOverload} {
			m.rejected[c][reason] = rejected.WithLabelValues(c.String(), reason)
		}
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{admitted, rejected, answers, newLimitCollector(g)} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("admission: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) admit(c method.Class) { m.admitted[c].Inc() }

// refuse counts a refusal, which is an answer too.
func (m *metrics) refuse(c method.Class, reason string, status int, since time.Time) {
	m.rejected[c][reason].Inc()
	m.answer(c, resultOf(status, false), time.Since(since))
}

func (m *metrics) answer(c method.Class, r result, took time.Duration) {
	m.answers[c][r].Observe(took.Seconds())
}

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

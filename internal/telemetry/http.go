package telemetry

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MeasureHTTP returns a handler that measures how long next takes, by method and status, with trace exemplars:
// for a process whose API is plain HTTP. It fails where it was called before. Install it inside the tracing
// handler, whose span becomes the exemplar.
func (t *Telemetry) MeasureHTTP(next http.Handler) (http.Handler, error) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "meridian_http_server_duration_seconds",
		Help:    "Time from a request's headers to the end of its answer.",
		Buckets: LatencyBuckets(),
	}, []string{"method", "code"})
	if err := t.Metrics.Register(duration); err != nil {
		return nil, fmt.Errorf("telemetry: register HTTP metrics: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		Observe(r.Context(), duration.WithLabelValues(methodLabel(r.Method), strconv.Itoa(seen.status)), time.Since(began).Seconds())
	}), nil
}

// methodLabel keeps what callers make up out of the labels.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost:
		return method
	}
	return "other"
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

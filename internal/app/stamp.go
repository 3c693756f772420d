package app

import (
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/meridian-commerce/meridian/regions"
)

// noMetrics keeps OpenTelemetry's own HTTP metrics quiet: Prometheus has ours.
var noMetrics = noop.NewMeterProvider()

// stamped says on every answer which region served it and how long it took there.
func stamped(region regions.Name, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&stampWriter{ResponseWriter: w, region: region, began: time.Now()}, r)
	})
}

type stampWriter struct {
	http.ResponseWriter
	region regions.Name
	began  time.Time
	done   bool
}

func (w *stampWriter) stamp() {
	if w.done {
		return
	}
	w.done = true
	w.Header().Set("Meridian-Served-Region", string(w.region))
	w.Header().Add("Server-Timing", fmt.Sprintf("app;dur=%.2f", float64(time.Since(w.began).Microseconds())/1000))
}

// WriteHeader implements http.ResponseWriter.
func (w *stampWriter) WriteHeader(status int) {
	w.stamp()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *stampWriter) Write(b []byte) (int, error) {
	w.stamp()
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, which streaming handlers look for.
func (w *stampWriter) Flush() {
	w.stamp()
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *stampWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

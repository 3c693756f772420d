package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
)

// RPCMetrics is a Connect interceptor that measures what a server answers; calls that a client makes pass
// through unmeasured. Install it inside the tracing interceptor, whose span becomes the exemplar, and outside
// the one that maps errors, whose code it records.
type RPCMetrics struct {
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

var _ connect.Interceptor = (*RPCMetrics)(nil)

// NewRPCMetrics registers the metrics of a server. It fails where they are registered already.
func NewRPCMetrics(registry prometheus.Registerer) (*RPCMetrics, error) {
	m := &RPCMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "meridian_rpc_server_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer; for a stream, its whole life.",
			Buckets: LatencyBuckets(),
		}, []string{"service", "method", "code"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_rpc_server_in_flight",
			Help: "Requests and streams being served.",
		}, []string{"service", "method"}),
	}
	for _, c := range []prometheus.Collector{m.duration, m.inFlight} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("telemetry: register RPC metrics: %w", err)
		}
	}
	return m, nil
}

// WrapUnary implements connect.Interceptor.
func (m *RPCMetrics) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (answer connect.AnyResponse, err error) {
		if req.Spec().IsClient {
			return next(ctx, req)
		}
		err = m.measure(ctx, req.Spec().Procedure, func() error {
			answer, err = next(ctx, req)
			return err
		})
		return answer, err
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (m *RPCMetrics) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (m *RPCMetrics) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, stream connect.StreamingHandlerConn) error {
		return m.measure(ctx, stream.Spec().Procedure, func() error { return next(ctx, stream) })
	}
}

func (m *RPCMetrics) measure(ctx context.Context, procedure string, serve func() error) error {
	service, method, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	inFlight := m.inFlight.WithLabelValues(service, method)
	inFlight.Inc()
	start, code := time.Now(), connect.CodeInternal.String() // what a panic is recorded as
	defer func() {
		inFlight.Dec()
		Observe(ctx, m.duration.WithLabelValues(service, method, code), time.Since(start).Seconds())
	}()
	err := serve()
	code = codeOf(err)
	return err
}

// codeOf names the outcome as Connect will send it. Connect turns a context's own error into its code only
// after the interceptors ran.
func codeOf(err error) string {
	var wire *connect.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &wire):
		return wire.Code().String()
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled.String()
	case errors.Is(err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded.String()
	default:
		return connect.CodeUnknown.String()
	}
}

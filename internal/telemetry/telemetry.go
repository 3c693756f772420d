// Package telemetry is what a process says about itself: structured logs that carry trace ids, OpenTelemetry
// traces, Prometheus metrics with exemplars, and health. Start builds all of it from one Config.
//
// Nothing here touches OpenTelemetry's globals: instrumentation gets Telemetry's providers handed to it, so
// that two processes' worth of telemetry can live in one test. A collector that is away costs spans, never
// requests.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/version"
	"github.com/meridian-commerce/meridian/regions"
)

// Config says who this process is and where its telemetry goes.
type Config struct {
	Service  string       // "meridian", "meridian-edge"; required
	Instance string       // unique within the service, such as eu-west-1-stack-1
	Region   regions.Name // "" outside every region
	Log      LogConfig
	Output   io.Writer // of the log; nil is standard error

	// OTLPEndpoint is the collector: a URL, or host:port for plain HTTP. Where it is empty spans get ids, so
	// that logs and exemplars work, and are not exported.
	OTLPEndpoint string

	// SpanProcessor, where given, sees every span as well: a recorder in tests.
	SpanProcessor sdktrace.SpanProcessor

	Profiling bool // serve /debug/pprof on the admin listener
}

// Telemetry is a process's telemetry. All of it is safe for concurrent use.
type Telemetry struct {
	Logger     *slog.Logger
	Tracers    trace.TracerProvider
	Propagator propagation.TextMapPropagator // W3C traceparent and tracestate
	Metrics    *prometheus.Registry
	Readiness  *Readiness

	profiling bool
	provider  *sdktrace.TracerProvider
}

// Start returns the telemetry of a process. Errors are configuration errors; a collector that cannot be
// reached is none. The caller must call Shutdown.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	if cfg.Service == "" {
		return nil, errors.New("telemetry: the configuration names no service")
	}
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	logger, err := newLogger(cfg)
	if err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	if err := registerProcess(metrics); err != nil {
		return nil, err
	}
	provider, err := newProvider(ctx, cfg, logger, metrics)
	if err != nil {
		return nil, err
	}
	return &Telemetry{
		Logger:     logger,
		Tracers:    provider,
		Propagator: propagation.TraceContext{},
		Metrics:    metrics,
		Readiness:  &Readiness{},
		profiling:  cfg.Profiling,
		provider:   provider,
	}, nil
}

// Shutdown exports the spans that are still queued, as far as ctx allows. Logs and metrics keep working.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: flush traces: %w", err)
	}
	return nil
}

func registerProcess(metrics *prometheus.Registry) error {
	build := version.Info()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meridian_build_info",
		Help: "Always 1; its labels say which build runs.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "commit": build.Commit, "goversion": build.Go,
		},
	})
	info.Set(1)
	for _, c := range []prometheus.Collector{
		info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("telemetry: register process metrics: %w", err)
		}
	}
	return nil
}

func newProvider(ctx context.Context, cfg Config, logger *slog.Logger, metrics *prometheus.Registry) (*sdktrace.TracerProvider, error) {
	attributes := []attribute.KeyValue{
		semconv.ServiceName(cfg.Service), semconv.ServiceVersion(version.Info().Version),
	}
	if cfg.Instance != "" {
		attributes = append(attributes, semconv.ServiceInstanceID(cfg.Instance))
	}
	if cfg.Region != "" {
		attributes = append(attributes, semconv.CloudRegion(string(cfg.Region)))
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(resource.NewWithAttributes(semconv.SchemaURL, attributes...)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	}
	if cfg.OTLPEndpoint != "" {
		exporter, err := newExporter(ctx, cfg.OTLPEndpoint, logger, metrics)
		if err != nil {
			return nil, err
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	if cfg.SpanProcessor != nil {
		options = append(options, sdktrace.WithSpanProcessor(cfg.SpanProcessor))
	}
	return sdktrace.NewTracerProvider(options...), nil
}

// exporter counts and logs what the collector did not take; the batch processor would report it to
// OpenTelemetry's global error handler.
type exporter struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	lost   prometheus.Counter
}

func newExporter(ctx context.Context, endpoint string, logger *slog.Logger, metrics *prometheus.Registry) (*exporter, error) {
	target, err := collectorURL(endpoint)
	if err != nil {
		return nil, err
	}
	otlp, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(target))
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTLP exporter to %q: %w", target, err)
	}
	lost := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "meridian_trace_spans_lost_total",
		Help: "Spans that the collector did not take.",
	})
	if err := metrics.Register(lost); err != nil {
		return nil, fmt.Errorf("telemetry: register exporter metrics: %w", err)
	}
	return &exporter{SpanExporter: otlp, logger: logger, lost: lost}, nil
}

// ExportSpans implements sdktrace.SpanExporter. It never returns an error.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.lost.Add(float64(len(spans)))
		e.logger.WarnContext(ctx, "spans lost: the trace collector did not take them", "spans", len(spans), "error", err)
	}
	return nil
}

// collectorURL completes an endpoint: host:port is plain HTTP, and the path is OTLP's own unless one is given.
func collectorURL(endpoint string) (string, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("telemetry: OTLP endpoint %q is neither host:port nor an http or https URL", endpoint)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

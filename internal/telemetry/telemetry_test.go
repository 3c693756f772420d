package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func start(t *testing.T, cfg Config) *Telemetry {
	t.Helper()
	if cfg.Service == "" {
		cfg.Service = "meridian"
	}
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	tel, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return tel
}

// unsampled returns ctx with a remote parent that decided against sampling.
func unsampled(ctx context.Context) context.Context {
	return Extract(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
}

func TestStartRejects(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no service": {},
		"level":      {Service: "s", Log: LogConfig{Level: "loud"}},
		"format":     {Service: "s", Log: LogConfig{Format: "xml"}},
		"endpoint":   {Service: "s", OTLPEndpoint: "ftp://collector"},
		"no host":    {Service: "s", OTLPEndpoint: "http://"},
	} {
		if _, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("%s: Start accepted %+v", name, cfg)
		}
	}
}

func TestCollectorURL(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"127.0.0.1:4318":                    "http://127.0.0.1:4318/v1/traces",
		"https://collector.example":         "https://collector.example/v1/traces",
		"https://collector.example/":        "https://collector.example/v1/traces",
		"https://collector.example/a/v1/tr": "https://collector.example/a/v1/tr",
	} {
		if got, err := collectorURL(endpoint); err != nil || got != want {
			t.Errorf("collectorURL(%q) = %q, %v, want %q", endpoint, got, err, want)
		}
	}
}

func TestLogCarriesIdentityAndTrace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tel := start(t, Config{Service: "meridian", Instance: "eu-1", Region: "eu-west-1", Output: &out})
	ctx, span := tel.Tracers.Tracer("test").Start(t.Context(), "work")
	defer span.End()

	tel.Logger.With("a", 1).WithGroup("order").With("id", "ord_1").WithGroup("line").InfoContext(ctx, "placed", "sku", "x")

	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "placed", "service": "meridian", "instance": "eu-1", "region": "eu-west-1",
		"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
		"a": 1.0, "order": map[string]any{"id": "ord_1", "line": map[string]any{"sku": "x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got)\n%s", diff)
	}
}

func TestLogWithoutTraceAndBelowLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tel := start(t, Config{Log: LogConfig{Format: "text", Level: "warn"}, Output: &out})
	tel.Logger.InfoContext(t.Context(), "quiet")
	tel.Logger.WarnContext(t.Context(), "loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud service=meridian\n") {
		t.Errorf("log = %q", got)
	}
}

func TestInjectExtractRoundTrip(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tel := start(t, Config{SpanProcessor: spans})
	tracer := tel.Tracers.Tracer("test")
	ctx, producer := tracer.Start(t.Context(), "produce")
	event := Inject(ctx)
	producer.End()

	_, consumer := tracer.Start(Extract(t.Context(), event), "consume")
	consumer.End()

	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans reached the processor, want 2", len(ended))
	}
	parent := ended[1].Parent()
	if parent.SpanID() != producer.SpanContext().SpanID() || parent.TraceID() != producer.SpanContext().TraceID() || !parent.IsRemote() {
		t.Errorf("consumer's parent is %v, want %v, remote", parent, producer.SpanContext())
	}
	if got := Inject(t.Context()); got != "" {
		t.Errorf("Inject without a span = %q", got)
	}
	for _, malformed := range []string{"", "nonsense", "00-00000000000000000000000000000000-0000000000000000-01"} {
		if got := trace.SpanContextFromContext(Extract(ctx, malformed)); !got.Equal(producer.SpanContext()) {
			t.Errorf("Extract(%q) changed the context's span to %v", malformed, got)
		}
	}
}

func TestSamplerFollowsParent(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	tracer := tel.Tracers.Tracer("test")
	_, root := tracer.Start(t.Context(), "root")
	defer root.End()
	_, child := tracer.Start(unsampled(t.Context()), "child")
	defer child.End()
	if !root.SpanContext().IsSampled() || child.SpanContext().IsSampled() {
		t.Errorf("root sampled %t, want true; child of an unsampled parent %t, want false",
			root.SpanContext().IsSampled(), child.SpanContext().IsSampled())
	}
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/openmetrics-text") {
		t.Fatalf("scrape: %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.String()
}

func TestExemplarInScrape(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "test_seconds", Help: "Test.", Buckets: LatencyBuckets()})
	g := prometheus.NewSummary(prometheus.SummaryOpts{Name: "test_summary", Help: "Takes no exemplar."})
	tel.Metrics.MustRegister(h, g)
	ctx, span := tel.Tracers.Tracer("test").Start(t.Context(), "work")
	defer span.End()
	Observe(ctx, h, 0.0042)
	Observe(ctx, g, 0.0042)
	Observe(unsampled(t.Context()), h, 0.042)

	got := scrape(t, tel.AdminHandler())
	want := `test_seconds_bucket{le="0.005"} 1 # {trace_id="` + span.SpanContext().TraceID().String() + `"} 0.0042`
	for _, line := range []string{want, `test_seconds_bucket{le="0.05"} 2` + "\n", "test_summary_count 1\n", "go_goroutines ", `meridian_build_info{commit="`} {
		if !strings.Contains(got, line) {
			t.Errorf("scrape lacks %q", line)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestExporter proves that spans reach a collector over OTLP/HTTP, and that a collector that refuses them
// costs a count and nothing else.
func TestExporter(t *testing.T) {
	t.Parallel()
	for status, lost := range map[int]string{http.StatusOK: "0.0", http.StatusBadRequest: "1.0"} {
		paths := make(chan string, 10)
		collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths <- r.URL.Path
			w.WriteHeader(status)
		}))
		t.Cleanup(collector.Close)
		tel, err := Start(t.Context(), Config{Service: "meridian", Output: io.Discard, OTLPEndpoint: collector.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, span := tel.Tracers.Tracer("test").Start(t.Context(), "work")
		span.End()
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Errorf("status %d: shutdown: %v", status, err)
		}
		select {
		case path := <-paths:
			if path != "/v1/traces" {
				t.Errorf("exported to %q", path)
			}
		case <-time.After(5 * time.Minute):
			t.Errorf("status %d: no export before shutdown returned", status)
		}
		if got := scrape(t, tel.AdminHandler()); !strings.Contains(got, "meridian_trace_spans_lost_total "+lost+"\n") {
			t.Errorf("status %d: scrape lacks %s lost spans", status, lost)
		}
	}
}

var _ sdktrace.SpanExporter = (*exporter)(nil)

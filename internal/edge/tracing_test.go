package edge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// TestSpan: the edge's span is the child of what the caller's headers name, is called as the method, and says
// what was asked and what came of it.
func TestSpan(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	recorder := tracetest.NewSpanRecorder()
	deps := Deps{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))}
	deps.complete()
	s.edge.tracing = newTracing(deps)
	s.add(t, eu, "eu/0", answers(http.StatusInternalServerError, "application/json", "{}"))
	got := s.send(t, http.MethodPost, place, "{}", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Request-Id", "req-1")
	eventually(t, "the spans of the request and of its attempt end", func() bool { return len(recorder.Ended()) == 2 })
	attempt, span := recorder.Ended()[0], recorder.Ended()[1]
	if attempt.Name() != "attempt" || attempt.SpanKind() != trace.SpanKindClient || attempt.Parent().SpanID() != span.SpanContext().SpanID() {
		t.Errorf("the attempt's span is %s of %v under %v", attempt.Name(), attempt.SpanKind(), attempt.Parent().SpanID())
	}
	if span.Name() != place || span.SpanKind() != trace.SpanKindServer || span.Parent().SpanID().String() != "b7ad6b7169203331" || span.Status().Code != codes.Error {
		t.Errorf("the span is %s of %v under %v: %v", span.Name(), span.SpanKind(), span.Parent().SpanID(), span.Status())
	}
	if tp := got.Get("Traceparent"); !strings.HasPrefix(tp, "00-0af7651916cd43dd8448eb211c80319c-") || !strings.HasSuffix(tp, "-01") {
		t.Errorf("the answer names %s", tp)
	}
	said := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		said[a.Key] = a.Value.String()
	}
	want := map[attribute.Key]string{
		"http.request.method": "POST", "url.path": place, "http.response.status_code": "500", "user_agent.original": "Go-http-client/1.1",
		"meridian.route": "home", "meridian.served_region": "eu-west-1", "meridian.request_id": "req-1", "meridian.attempts": "1",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

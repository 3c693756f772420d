package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OpenTelemetry collector that remembers, for each trace, service and name of each span.
type collector struct {
	mu     sync.Mutex
	traces map[string]map[string]bool
}

func newCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{traces: map[string]map[string]bool{}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, s.URL
}

// ServeHTTP takes an export of OTLP over HTTP.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var export collectorv1.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err != nil || proto.Unmarshal(body, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range export.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := string(span.GetTraceId())
				if c.traces[id] == nil {
					c.traces[id] = map[string]bool{}
				}
				c.traces[id][service+": "+span.GetName()] = true
			}
		}
	}
}

// awaitTrace waits for a trace that has a span with each of the given beginnings.
func (c *collector) awaitTrace(t *testing.T, beginnings ...string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	best := map[string]bool{}
	for time.Now().Before(deadline) {
		c.mu.Lock()
		for _, spans := range c.traces {
			found := 0
			for _, beginning := range beginnings {
				for span := range spans {
					if strings.HasPrefix(span, beginning) {
						found++
						break
					}
				}
			}
			if found == len(beginnings) {
				c.mu.Unlock()
				return
			}
			if len(spans) > len(best) {
				best = spans
			}
		}
		c.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	names := make([]string, 0, len(best))
	for span := range best {
		names = append(names, span)
	}
	t.Errorf("no trace has spans that begin with %q; the longest has\n%s", beginnings, strings.Join(names, "\n"))
}

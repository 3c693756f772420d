package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMeasureHTTP(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	measured, err := tel.MeasureHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(method, path string) {
		ctx, span := tel.Tracers.Tracer("test").Start(t.Context(), "http")
		defer span.End()
		measured.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, method, path, nil))
	}
	serve(http.MethodGet, "/")
	serve(http.MethodPost, "/missing")
	serve("BREW", "/")

	got := scrape(t, tel.AdminHandler())
	for _, want := range []string{
		`meridian_http_server_duration_seconds_count{code="200",method="GET"} 1`,
		`meridian_http_server_duration_seconds_count{code="404",method="POST"} 1`,
		`meridian_http_server_duration_seconds_count{code="200",method="other"} 1`,
		`# {trace_id="`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scrape has no %s", want)
		}
	}
	if _, err := tel.MeasureHTTP(http.NotFoundHandler()); err == nil {
		t.Error("a second registration was accepted")
	}
}

package admission

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// TestAnswersAreCountedOnce: each request has one result, however its answer ends.
func TestAnswersAreCountedOnce(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		ctx    context.Context
		want   string
	}{
		"written":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, t.Context(), "ok"},
		"nothing written": {func(http.ResponseWriter, *http.Request) {}, t.Context(), "ok"},
		"redirected":      {status(http.StatusFound), t.Context(), "ok"},
		"not found":       {status(http.StatusNotFound), t.Context(), "refused"},
		"unavailable":     {status(http.StatusServiceUnavailable), t.Context(), "failed"},
		"early hints first": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusBadGateway)
		}, t.Context(), "failed"},
		"hung up":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, t.Context(), "failed"},
		"canceled":            {status(statusClientClosed), t.Context(), "canceled"},
		"left without answer": {func(http.ResponseWriter, *http.Request) {}, gone, "canceled"},
	} {
		registry := prometheus.NewRegistry()
		g, err := New(Config{Region: "eu-west-1"}, Deps{Call: calls(t), Metrics: registry})
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			g.Handler(c.answer).ServeHTTP(httptest.NewRecorder(), request(cartPath).WithContext(c.ctx))
		}()
		got := map[string]uint64{}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if n := m.GetHistogram().GetSampleCount(); n != 0 {
					got[f.GetName()+labels(m)] = n
				}
			}
		}
		want := map[string]uint64{"meridian_edge_answer_duration_seconds cart " + c.want: 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

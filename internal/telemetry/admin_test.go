package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func probe(t *testing.T, h http.Handler, path string) (int, health) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	var body health
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	return w.Code, body
}

func passes(context.Context) error { return nil }

func refused(context.Context) error { return errors.New("refused") }

func TestReadiness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		checks []Check
		status int
		want   health
	}{
		{"no checks", nil, 200, health{Status: "ready"}},
		{"all pass", []Check{{Name: "database", Run: passes}}, 200, health{"ready", map[string]outcome{"database": {OK: true}}}},
		{"one fails", []Check{{Name: "database", Run: passes}, {Name: "consul", Run: refused}},
			503, health{"unready", map[string]outcome{"database": {OK: true}, "consul": {Error: "refused"}}}},
		{"one panics", []Check{{Name: "database", Run: func(context.Context) error { panic("nil pool") }}},
			503, health{"unready", map[string]outcome{"database": {Error: "the check panicked: nil pool"}}}},
		{"a soft one fails", []Check{{Name: "database", Run: passes}, {Name: "relay", Run: refused, Soft: true}},
			200, health{"degraded", map[string]outcome{"database": {OK: true}, "relay": {Error: "refused"}}}},
		{"both kinds fail", []Check{{Name: "relay", Run: refused, Soft: true}, {Name: "database", Run: refused}, {Name: "load", Run: refused, Soft: true}},
			503, health{"unready", map[string]outcome{"database": {Error: "refused"}, "relay": {Error: "refused"}, "load": {Error: "refused"}}}},
	} {
		h := start(t, Config{}).AdminHandler(c.checks...)
		status, got := probe(t, h, "/readyz")
		if diff := cmp.Diff(c.want, got); diff != "" || status != c.status {
			t.Errorf("%s: status %d, want %d (-want +got)\n%s", c.name, status, c.status, diff)
		}
	}
}

func TestDraining(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	h := tel.AdminHandler(Check{Name: "database", Run: passes})
	tel.Readiness.SetDraining()
	if status, got := probe(t, h, "/readyz"); status != 503 || got.Status != "draining" || !got.Checks["database"].OK {
		t.Errorf("readyz while draining = %d %+v", status, got)
	}
	if status, got := probe(t, h, "/healthz"); status != 200 || got.Status != "alive" {
		t.Errorf("healthz while draining = %d %+v", status, got)
	}
}

// TestHungCheck: checks run at the same time, a hung one costs checkTimeout, and probing it again does not
// start it again.
func TestHungCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		release := make(chan struct{})
		hung := func(context.Context) error {
			runs.Add(1)
			<-release
			return nil
		}
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		r := &readyz{readiness: &Readiness{}, checks: []Check{{Name: "hung", Run: hung}, {Name: "slow", Run: slow}, {Name: "fine", Run: passes}}}
		var probers sync.WaitGroup
		for range 3 {
			probers.Go(func() {
				begin := time.Now()
				status, got := probe(t, r, "/readyz")
				if status != 503 || got.Checks["hung"].OK || got.Checks["slow"].OK || !got.Checks["fine"].OK {
					t.Errorf("readyz = %d %+v", status, got)
				}
				if took := time.Since(begin); took != checkTimeout {
					t.Errorf("the probe took %s, want %s", took, checkTimeout)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		probers.Wait()
		if n := runs.Load(); n != 1 {
			t.Errorf("the hung check was started %d times", n)
		}
		close(release)
		synctest.Wait()
		if status, got := probe(t, r, "/readyz"); status != 503 || !got.Checks["hung"].OK {
			t.Errorf("after release: readyz = %d %+v", status, got)
		}
	})
}

func TestProfilingIsOptional(t *testing.T) {
	t.Parallel()
	for _, enabled := range []bool{true, false} {
		w := httptest.NewRecorder()
		start(t, Config{Profiling: enabled}).AdminHandler().
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/goroutine?debug=1", http.NoBody))
		if got := w.Code == http.StatusOK; got != enabled {
			t.Errorf("profiling %t: status %d", enabled, w.Code)
		}
	}
}

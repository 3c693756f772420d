package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/telemetry"
)

func TestCallersLeaveAnEdgeThatIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ready atomic.Pointer[error]
		set := func(err error) { ready.Store(&err) }
		set(nil)
		p := &process{telemetry: &telemetry.Telemetry{Readiness: &telemetry.Readiness{}}}
		leaves := p.leaving(func() error { return *ready.Load() })
		h := closing(leaves, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, work := range p.background {
			running.Go(func() { work(ctx) })
		}
		expect := func(when string, closes bool) {
			t.Helper()
			time.Sleep(leaveEvery + time.Millisecond)
			synctest.Wait()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if got := w.Header().Get("Connection") == "close"; got != closes {
				t.Errorf("%s: connections end: %v", when, got)
			}
		}
		expect("ready", false)
		set(errors.New("no region has a healthy instance"))
		expect("not ready", true)
		set(nil)
		expect("ready again", false)
		p.telemetry.Readiness.SetDraining()
		expect("draining", true)
		stop()
		running.Wait()
	})
}

package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/telemetry"
)

func TestClosersUnwindInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	var c closers
	var order []int
	bad := errors.New("bad")
	for i, err := range []error{nil, bad, nil} {
		c.add(func(context.Context) error { order = append(order, i); return err })
	}
	if err := c.close(t.Context()); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("closed in the order %v", order)
	}
	if err := c.close(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("closed twice: %v, %v", order, err)
	}
}

func TestHealthFallsAfterTwoFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Pointer[error]
		outcome := func(err error) { broken.Store(&err) }
		outcome(nil)
		readiness := &telemetry.Readiness{}
		h := newHealth(func(context.Context) error { return *broken.Load() }, readiness)
		status := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, ReadyPath, nil))
			return w.Code
		}
		expect := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if got := status(); got != want {
				t.Errorf("%s: %d, want %d", when, got, want)
			}
		}
		expect("before the first check", http.StatusServiceUnavailable)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go h.run(ctx)
		expect("healthy", http.StatusOK)
		away := errors.New("the database is away")
		outcome(away)
		time.Sleep(healthEvery)
		expect("after one failure", http.StatusOK)
		time.Sleep(healthEvery)
		expect("after two failures", http.StatusServiceUnavailable)
		if err := h.ready(ctx); !errors.Is(err, away) {
			t.Errorf("the reason is %v", err)
		}
		outcome(nil)
		time.Sleep(healthEvery)
		expect("back", http.StatusOK)
		readiness.SetDraining()
		expect("draining", http.StatusServiceUnavailable)
	})
}

package app

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/telemetry"
)

const (
	healthEvery   = 500 * time.Millisecond
	healthTimeout = time.Second
	healthFalls   = 2 // consecutive failures that make an instance unready
)

// ReadyPath is where an instance's API port says whether it wants requests; edges probe it.
const ReadyPath = "/.well-known/meridian/ready"

// health keeps asking whether the instance can do its job, so that a probe is answered at once from memory.
type health struct {
	check     func(ctx context.Context) error
	readiness *telemetry.Readiness
	last      atomic.Pointer[error] // nil until the first answer
	healthy   atomic.Bool
}

func newHealth(check func(ctx context.Context) error, r *telemetry.Readiness) *health {
	return &health{check: check, readiness: r}
}

// run asks until ctx ends.
func (h *health) run(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for failures := 0; ; {
		limited, cancel := context.WithTimeout(ctx, healthTimeout)
		err := h.check(limited)
		cancel()
		h.last.Store(&err)
		if failures++; err == nil {
			failures = 0
		}
		h.healthy.Store(failures == 0 || (failures < healthFalls && h.healthy.Load()))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ready is nil when the instance wants requests.
func (h *health) ready(context.Context) error {
	if h.healthy.Load() {
		return nil
	}
	if last := h.last.Load(); last != nil && *last != nil {
		return *last
	}
	return errors.New("not checked yet")
}

// ServeHTTP answers ReadyPath.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := h.ready(r.Context()); err != nil || h.readiness.Draining() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

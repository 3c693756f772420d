package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// leaveEvery is how often an edge looks whether its callers had better go to another one.
const leaveEvery = 250 * time.Millisecond

// leaving tells whether the edge drains or is not ready. Whoever sends it new connections hears that from its health
// check; callers with a connection hear it from closing.
func (p *process) leaving(ready func() error) *atomic.Bool {
	leaves := new(atomic.Bool)
	p.background = append(p.background, func(ctx context.Context) {
		for ctx.Err() == nil {
			leaves.Store(p.telemetry.Readiness.Draining() || ready() != nil)
			_ = clock.Sleep(ctx, leaveEvery) // the loop looks at ctx
		}
	})
	return leaves
}

// closing ends each connection with its next answer while the edge is being left, so that its caller comes back by
// another way.
func closing(leaves *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaves.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

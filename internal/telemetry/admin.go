package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/singleflight"
)

// checkTimeout leaves a caller with a second to spend (Consul's check) time to read the answer.
const checkTimeout = 800 * time.Millisecond

// Check asks whether one thing works that this process cannot do its job without. Run must be safe for
// concurrent use and should return when ctx ends; one that does not is reported as timed out and is not
// started again before it returned.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
	Soft bool // a failure degrades the process, which can still do its job
}

// Readiness is whether the process still wants work. The zero value does.
type Readiness struct {
	draining atomic.Bool
}

// SetDraining makes /readyz answer 503 from now on, so that no new work is sent here while running work
// finishes. There is no way back.
func (r *Readiness) SetDraining() { r.draining.Store(true) }

// Draining reports whether SetDraining was called.
func (r *Readiness) Draining() bool { return r.draining.Load() }

// AdminHandler serves the admin listener: /metrics (Prometheus; OpenMetrics with exemplars where asked for),
// /healthz (200 while the process lives), /readyz (200 where every check passes but for soft ones, else 503, with
// each check's outcome as JSON) and, if configured, /debug/pprof. Check names must be unique.
func (t *Telemetry) AdminHandler(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.Metrics, promhttp.HandlerOpts{
		Registry: t.Metrics, EnableOpenMetrics: true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, health{Status: "alive"})
	})
	mux.Handle("GET /readyz", &readyz{readiness: t.Readiness, checks: checks})
	if t.profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// health is the body of /healthz and /readyz.
type health struct {
	Status string             `json:"status"` // alive; ready, degraded, unready or draining
	Checks map[string]outcome `json:"checks,omitempty"`
}

type outcome struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func reply(w http.ResponseWriter, status int, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // the prober hung up
}

type readyz struct {
	readiness *Readiness
	checks    []Check
	running   singleflight.Group // one run of each check at a time, shared by all probers
}

func (r *readyz) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	outcomes := r.runAll(req.Context())
	status := http.StatusOK
	h := health{Status: "ready", Checks: outcomes}
	for _, c := range r.checks {
		switch {
		case outcomes[c.Name].OK:
		case !c.Soft:
			status = http.StatusServiceUnavailable
			h.Status = "unready"
		case status == http.StatusOK:
			h.Status = "degraded"
		}
	}
	if r.readiness.Draining() {
		status = http.StatusServiceUnavailable
		h.Status = "draining"
	}
	reply(w, status, h)
}

func (r *readyz) runAll(ctx context.Context) map[string]outcome {
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		outcomes = make(map[string]outcome, len(r.checks))
	)
	for _, c := range r.checks {
		wg.Go(func() {
			o := outcome{OK: true}
			if err := r.run(ctx, c); err != nil {
				o = outcome{Error: err.Error()}
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[c.Name] = o
		})
	}
	wg.Wait()
	return outcomes
}

// run returns the outcome of a check, or an error after checkTimeout.
func (r *readyz) run(ctx context.Context, c Check) error {
	ctx = context.WithoutCancel(ctx) // the run may be shared with probers that stay
	wait, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := r.running.DoChan(c.Name, func() (_ any, err error) {
		limited, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the check panicked: %v", p)
			}
		}()
		return nil, c.Run(limited)
	})
	select {
	case result := <-done:
		if errors.Is(result.Err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %s: %w", checkTimeout, result.Err)
		}
		return result.Err
	case <-wait.Done():
		return fmt.Errorf("no answer within %s", checkTimeout)
	}
}

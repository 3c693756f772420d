// Package control is the HTTP endpoint of a running simulation: an API that the meridian-sim commands use, and
// a console for people. It listens on loopback only and refuses what another web site's page makes a browser
// send, because it can kill processes.
package control

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

// Simulation is what the endpoint controls. *cluster.Cluster is one.
type Simulation interface {
	Status(ctx context.Context) cluster.Status
	Kill(ctx context.Context, target string) (cluster.FaultReport, error)
	Break(ctx context.Context, f cluster.Fault) (cluster.FaultReport, error)
	Heal(ctx context.Context, target string) error
}

//go:embed console.html
var console []byte

// failure is the body of an answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

// Handler serves the API and the console at a host (host:port): requests for another are refused.
//
//	GET  /            the console
//	GET  /api/status  cluster.Status
//	POST /api/kill    ?target=…: cluster.FaultReport
//	POST /api/break   a cluster.Fault: cluster.FaultReport
//	POST /api/heal    ?target=…: {}
func Handler(s Simulation, host string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
		_, _ = w.Write(console) // the reader may have gone
	})
	handle := func(pattern string, do func(context.Context, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// A caller that goes away must not leave a region half killed.
			v, err := do(context.WithoutCancel(r.Context()), r)
			result(w, v, err)
		})
	}
	handle("GET /api/status", func(_ context.Context, r *http.Request) (any, error) { return s.Status(r.Context()), nil })
	handle("POST /api/kill", func(ctx context.Context, r *http.Request) (any, error) { return s.Kill(ctx, r.FormValue("target")) })
	handle("POST /api/break", func(ctx context.Context, r *http.Request) (any, error) {
		var f cluster.Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			return nil, fmt.Errorf("%w: %w", cluster.ErrBadFault, err)
		}
		if err := f.Validate(); err != nil {
			return nil, err
		}
		return s.Break(ctx, f)
	})
	handle("POST /api/heal", func(ctx context.Context, r *http.Request) (any, error) {
		return struct{}{}, s.Heal(ctx, r.FormValue("target"))
	})
	return only(host, http.NewCrossOriginProtection().Handler(mux))
}

// only refuses requests that a foreign name led here (DNS rebinding).
func only(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			answer(w, http.StatusForbidden, failure{"this is " + host + ", not " + r.Host})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func result(w http.ResponseWriter, v any, err error) {
	code := http.StatusInternalServerError
	switch {
	case err == nil:
		answer(w, http.StatusOK, v)
		return
	case errors.Is(err, cluster.ErrBadFault):
		code = http.StatusBadRequest
	case errors.Is(err, cluster.ErrUnknownTarget):
		code = http.StatusNotFound
	case errors.Is(err, cluster.ErrNotRunning), errors.Is(err, cluster.ErrRegionLost):
		code = http.StatusConflict
	}
	answer(w, code, failure{err.Error()})
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the reader may have gone
}

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
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, s.Status(r.Context()))
	})
	mux.HandleFunc("POST /api/kill", func(w http.ResponseWriter, r *http.Request) {
		// A caller that goes away must not leave a region half killed.
		report, err := s.Kill(context.WithoutCancel(r.Context()), r.FormValue("target"))
		result(w, report, err)
	})
	mux.HandleFunc("POST /api/break", func(w http.ResponseWriter, r *http.Request) {
		var f cluster.Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			result(w, nil, fmt.Errorf("%w: %w", cluster.ErrBadFault, err))
			return
		}
		if err := f.Validate(); err != nil {
			result(w, nil, err)
			return
		}
		report, err := s.Break(context.WithoutCancel(r.Context()), f)
		result(w, report, err)
	})
	mux.HandleFunc("POST /api/heal", func(w http.ResponseWriter, r *http.Request) {
		result(w, struct{}{}, s.Heal(context.WithoutCancel(r.Context()), r.FormValue("target")))
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
	switch {
	case err == nil:
		answer(w, http.StatusOK, v)
	case errors.Is(err, cluster.ErrBadFault):
		answer(w, http.StatusBadRequest, failure{err.Error()})
	case errors.Is(err, cluster.ErrUnknownTarget):
		answer(w, http.StatusNotFound, failure{err.Error()})
	case errors.Is(err, cluster.ErrNotRunning), errors.Is(err, cluster.ErrRegionLost):
		answer(w, http.StatusConflict, failure{err.Error()})
	default:
		answer(w, http.StatusInternalServerError, failure{err.Error()})
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the reader may have gone
}

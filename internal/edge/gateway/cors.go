package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// cors lets pages of other origins call the API. Access tokens travel in a header that pages set themselves,
// so that no answer needs to allow credentials, which browsers would add unasked.
type cors struct {
	origins []string
	all     bool
	expose  []string
}

func newCORS(origins []string, all bool) *cors {
	return &cors{origins: origins, all: all, expose: []string{strings.Join([]string{
		"Cache-Status", "ETag", "Grpc-Message", "Grpc-Status", "Grpc-Status-Details-Bin", "Meridian-Consistency", "Meridian-Edge-Region",
		"Meridian-Route", "Meridian-Served-Region", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "Traceparent", "X-Request-Id",
	}, ", ")}}
}

const (
	allowedMethods = "GET, HEAD, POST"
	allowedHeaders = "Authorization, Connect-Protocol-Version, Connect-Timeout-Ms, Content-Type, Grpc-Timeout, Idempotency-Key, " +
		"If-None-Match, Last-Event-Id, Meridian-Consistency, Meridian-Prefer-Region, Meridian-Region, Request-Timeout, Traceparent, X-Grpc-Web, X-Request-Id, X-User-Agent"
	preflightAge = "7200" // seconds; browsers keep it no longer
)

// serve marks the answer to a page, and answers a preflight itself, in which case it returns true.
func (c *cors) serve(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	if !c.all {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions && origin != "" && r.Header.Get("Access-Control-Request-Method") != ""
	allowed := origin != "" && (c.all || slices.Contains(c.origins, origin))
	switch {
	case allowed && c.all:
		h.Set("Access-Control-Allow-Origin", "*")
	case allowed:
		h.Set("Access-Control-Allow-Origin", origin)
	}
	if !preflight {
		if allowed {
			h["Access-Control-Expose-Headers"] = c.expose
		}
		return false
	}
	if allowed {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", preflightAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

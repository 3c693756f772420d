package httpapi

import (
	"slices"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
)

const preflightAge = 7200 // seconds; browsers keep a preflight's answer no longer

// newCORS lets pages of other origins call the API. Access tokens travel in a header that pages set themselves,
// so that no answer needs to allow credentials, which browsers would add unasked.
func newCORS(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: append(connectcors.AllowedMethods(), "HEAD"),
		AllowedHeaders: slices.Concat(connectcors.AllowedHeaders(), []string{
			"Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-Id", "Meridian-Consistency", "Meridian-Prefer-Region",
			"Meridian-Region", "Request-Timeout", "Traceparent", "X-Request-Id",
		}),
		ExposedHeaders: slices.Concat(connectcors.ExposedHeaders(), []string{
			"Cache-Status", "ETag", "Idempotent-Replayed", "Meridian-Consistency", "Meridian-Edge-Region", "Meridian-Route", "Meridian-Served-Region",
			"RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "Traceparent", "X-Request-Id",
		}),
		MaxAge: preflightAge,
	})
}

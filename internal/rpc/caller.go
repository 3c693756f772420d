// Package rpc is what every Connect handler shares: who calls, how errors become Connect errors, and page
// tokens. It knows no domain.
package rpc

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// Caller is who an access token speaks for.
type Caller struct {
	UserID   string
	Home     regions.Name
	Currency money.Currency
	Role     string // such as support; "": a customer
}

// Verifier checks an access token, or a ticket for one path. Errors are fault.Unauthenticated. It is safe for concurrent use.
type Verifier interface {
	Verify(token string) (Caller, error)
	Ticket(text, path string) (Caller, error)
}

type callerKey struct{}

type claim struct {
	caller Caller
	err    error
}

// CallerOf returns the verified caller of a request, or fault.Unauthenticated.
func CallerOf(ctx context.Context) (Caller, error) {
	c, ok := ctx.Value(callerKey{}).(claim)
	if !ok {
		return Caller{}, fault.New(fault.Unauthenticated, "TOKEN_MISSING", "sign in and send the access token as Authorization: Bearer …")
	}
	return c.caller, c.err
}

// Authenticate verifies the bearer token of each request, if it has one, else the ticket in the query of a GET or HEAD. Methods that need a caller ask
// CallerOf, so that those that need none are not refused for a token that has expired.
func Authenticate(v Verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A bad token is kept with its error and not refused here, as methods that need no caller must work with it.
		if token, ok := Bearer(r.Header); ok {
			caller, err := v.Verify(token)
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, claim{caller: caller, err: err}))
		} else if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.URL.RawQuery, "ticket=") { // looked at twice, since few have one
			caller, err := v.Ticket(r.URL.Query().Get("ticket"), r.URL.Path)
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, claim{caller: caller, err: err}))
		}
		next.ServeHTTP(w, r)
	})
}

// Bearer returns the bearer token of a request's headers (RFC 6750).
func Bearer(h http.Header) (string, bool) {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// Header returns a request header of the call that a handler is answering.
func Header(ctx context.Context, name string) string {
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		return info.RequestHeader().Get(name)
	}
	return ""
}

// SetHeader sets a header of the answer to the call that a handler is answering.
func SetHeader(ctx context.Context, name, value string) {
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		info.ResponseHeader().Set(name, value)
	}
}

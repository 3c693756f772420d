// Package rpctest serves Connect handlers to tests as a stack does, and calls them as clients do: with headers,
// and by plain GET.
package rpctest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// Tokens is an rpc.Verifier of the access tokens that are its keys.
type Tokens map[string]rpc.Caller

// Verify implements rpc.Verifier.
func (k Tokens) Verify(token string) (rpc.Caller, error) {
	if c, ok := k[token]; ok {
		return c, nil
	}
	return rpc.Caller{}, fault.New(fault.Unauthenticated, "TOKEN_INVALID", "sign in again")
}

// Ticket implements rpc.Verifier: a ticket is an access token, a space and the path.
func (k Tokens) Ticket(text, path string) (rpc.Caller, error) {
	token, of, _ := strings.Cut(text, " ")
	if of != path {
		token = ""
	}
	return k.Verify(token)
}

// Serve serves what mount adds to a mux, behind everything that package rpc puts around handlers, until the
// test ends.
func Serve(t testing.TB, v rpc.Verifier, mount func(mux *http.ServeMux, options ...connect.HandlerOption)) *httptest.Server {
	t.Helper()
	methods, err := method.Linked()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mount(mux, connect.WithInterceptors(rpc.Errors(slog.New(slog.DiscardHandler)), rpc.Authorize(methods), rpc.Consistency(clock.System())))
	s := httptest.NewServer(rpc.Statuses(rpc.Authenticate(v, mux)))
	t.Cleanup(s.Close)
	return s
}

// With returns a context whose calls carry headers, given as names and values in turn.
func With(ctx context.Context, pairs ...string) context.Context {
	ctx, call := connect.NewClientContext(ctx)
	for i := 0; i+1 < len(pairs); i += 2 {
		call.RequestHeader().Set(pairs[i], pairs[i+1])
	}
	return ctx
}

// As returns a context whose calls carry an access token.
func As(ctx context.Context, token string) context.Context {
	return With(ctx, "Authorization", "Bearer "+token)
}

// Refused fails the test unless err has that code, and an ErrorInfo with that reason and Meridian's domain.
func Refused(t testing.TB, what string, err error, code connect.Code, reason string) {
	t.Helper()
	got, ok := errors.AsType[*connect.Error](err)
	if !ok || got.Code() != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	for _, d := range got.Details() {
		message, err := d.Value()
		if info, ok := message.(*errdetails.ErrorInfo); err == nil && ok && info.GetReason() == reason && info.GetDomain() == rpc.Domain {
			return
		}
	}
	t.Errorf("%s: %v has no reason %s", what, got, reason)
}

// Get calls a method that has no side effects by GET, with its message as JSON, and returns the answer. An
// empty token sends none.
func Get(t testing.TB, s *httptest.Server, procedure, message, token string) (status int, header http.Header, body string) {
	t.Helper()
	return Fetch(t, s, procedure+"?"+url.Values{"encoding": {"json"}, "message": {message}}.Encode(), token)
}

// Fetch gets a path and returns the whole answer. An empty token sends none.
func Fetch(t testing.TB, s *httptest.Server, path, token string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return Do(t, s, r)
}

// Do sends a request and returns the whole answer.
func Do(t testing.TB, s *httptest.Server, r *http.Request) (status int, header http.Header, body string) {
	t.Helper()
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

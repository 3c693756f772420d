package rpc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

func serveHTTP(t *testing.T, h http.Handler) (status int) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	ada := rpc.Caller{UserID: "u", Home: "eu-west-1", Currency: "EUR"}
	for header, want := range map[string]struct {
		caller rpc.Caller
		reason string
	}{
		"":              {rpc.Caller{}, "TOKEN_MISSING"},
		"Bearer ada":    {ada, ""},
		"bearer ada":    {ada, ""},
		"BEARER ada":    {ada, ""},
		"Bearer eve":    {rpc.Caller{}, "TOKEN_INVALID"},
		"Bearer":        {rpc.Caller{}, "TOKEN_MISSING"},
		"Basic ada":     {rpc.Caller{}, "TOKEN_MISSING"},
		"ada":           {rpc.Caller{}, "TOKEN_MISSING"},
		"Bearer  ada":   {rpc.Caller{}, "TOKEN_INVALID"},
		"Bearer,ada":    {rpc.Caller{}, "TOKEN_MISSING"},
		"Bearerish ada": {rpc.Caller{}, "TOKEN_MISSING"},
	} {
		var got rpc.Caller
		var err error
		s := serve(t, &orders{get: func(ctx context.Context) error {
			got, err = rpc.CallerOf(ctx)
			return nil // a method for everybody: the token does not matter
		}})
		h := http.Header{}
		if header != "" {
			h.Set("Authorization", header)
		}
		if res := s.post(t, h); res.status != http.StatusOK {
			t.Errorf("%q: status %d of a method that needs no caller", header, res.status)
		}
		if got != want.caller || fault.Reason(err) != want.reason || (err != nil && !fault.Is(err, fault.Unauthenticated)) {
			t.Errorf("%q: caller %+v, %v; want %+v, %q", header, got, err, want.caller, want.reason)
		}
	}
}

func TestNobodyCalls(t *testing.T) {
	t.Parallel()
	if _, err := rpc.CallerOf(t.Context()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody calls: %v", err)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	if got := rpc.Header(t.Context(), "Idempotency-Key"); got != "" {
		t.Errorf("outside of a call: %q", got)
	}
	var got string
	s := serve(t, &orders{get: func(ctx context.Context) error {
		got = rpc.Header(ctx, "Idempotency-Key")
		return nil
	}})
	ctx, call := connect.NewClientContext(t.Context())
	call.RequestHeader().Set("Idempotency-Key", "k")
	if _, err := s.client.GetOrder(ctx, &orderv1.GetOrderRequest{}); err != nil || got != "k" {
		t.Errorf("got %q, %v", got, err)
	}
}

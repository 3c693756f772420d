package rpctest_test

import (
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// verdict is a test that remembers whether it failed.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Helper() {}

func (v *verdict) Errorf(string, ...any) { v.failed = true }

func TestRefused(t *testing.T) {
	t.Parallel()
	missing := rpc.ToConnect(fault.New(fault.NotFound, "ORDER_NOT_FOUND", "x"))
	for name, c := range map[string]struct {
		err    error
		code   connect.Code
		reason string
		pass   bool
	}{
		"as wanted":      {missing, connect.CodeNotFound, "ORDER_NOT_FOUND", true},
		"another code":   {missing, connect.CodeInternal, "ORDER_NOT_FOUND", false},
		"another reason": {missing, connect.CodeNotFound, "PRODUCT_NOT_FOUND", false},
		"no reason":      {connect.NewError(connect.CodeNotFound, errors.New("x")), connect.CodeNotFound, "ORDER_NOT_FOUND", false},
		"no error":       {nil, connect.CodeNotFound, "ORDER_NOT_FOUND", false},
		"not Connect's":  {errors.New("x"), connect.CodeUnknown, "", false},
	} {
		v := &verdict{TB: t}
		if rpctest.Refused(v, name, c.err, c.code, c.reason); v.failed == c.pass {
			t.Errorf("%s: failed = %t", name, v.failed)
		}
	}
}

func TestServeKnowsItsCallers(t *testing.T) {
	t.Parallel()
	s := rpctest.Serve(t, rpctest.Tokens{"t": {UserID: "ada"}}, func(mux *http.ServeMux, _ ...connect.HandlerOption) {
		mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
			caller, err := rpc.CallerOf(r.Context())
			w.Header().Set("Reason", fault.Reason(err))
			_, _ = w.Write([]byte(caller.UserID))
		})
	})
	for token, want := range map[string][2]string{"t": {"ada", ""}, "forged": {"", "TOKEN_INVALID"}, "": {"", "TOKEN_MISSING"}} {
		status, header, body := rpctest.Fetch(t, s, "/who", token)
		if got := [2]string{body, header.Get("Reason")}; status != http.StatusOK || got != want {
			t.Errorf("token %q: status %d, %q, want %q", token, status, got, want)
		}
	}
}

package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// TestEveryRefusalHasAReason: also what no handler of ours sees is refused in the API's form, and in words of the sender's.
func TestEveryRefusalHasAReason(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(context.Context) error { return nil }})
	const get, watch = orderv1connect.OrderServiceGetOrderProcedure, orderv1connect.OrderServiceWatchOrderProcedure
	for name, c := range map[string]struct {
		method, path, contentType, body string
		header                          http.Header
		status                          int
		code, reason                    string
	}{
		"malformed JSON":        {"POST", get, "application/json", `{"id":`, nil, 400, "invalid_argument", "MESSAGE_INVALID"},
		"a wrong type":          {"POST", get, "application/json", `{"id":7}`, nil, 400, "invalid_argument", "MESSAGE_INVALID"},
		"an unknown enum":       {"POST", orderv1connect.OrderServiceListOrdersProcedure, "application/json", `{"pageSize":"x"}`, nil, 400, "invalid_argument", "MESSAGE_INVALID"},
		"malformed protobuf":    {"POST", get, "application/proto", "\x0a\xff", nil, 400, "invalid_argument", "MESSAGE_INVALID"},
		"malformed by GET":      {"GET", get + "?encoding=json&message=x", "", "", nil, 400, "invalid_argument", "MESSAGE_INVALID"},
		"no message by GET":     {"GET", get, "", "", nil, 415, "unimplemented", "CONTENT_TYPE_UNKNOWN"},
		"no encoding we know":   {"GET", get + "?encoding=xml&message=x", "", "", nil, 415, "unimplemented", "CONTENT_TYPE_UNKNOWN"},
		"a time-out of letters": {"POST", get, "application/json", `{}`, http.Header{"Connect-Timeout-Ms": {"soon"}}, 400, "invalid_argument", "MESSAGE_INVALID"},
		"not packed as it says": {"POST", get, "application/json", `{}`, http.Header{"Content-Encoding": {"gzip"}}, 400, "invalid_argument", "MESSAGE_INVALID"},
		"packed otherwise":      {"POST", get, "application/json", `{}`, http.Header{"Content-Encoding": {"br"}}, 501, "unimplemented", "ENCODING_UNKNOWN"},
		"too long":              {"POST", get, "application/json", `{"id":"` + strings.Repeat("x", maxMessage) + `"}`, nil, 413, "resource_exhausted", "BODY_TOO_LARGE"},
		"no such path":          {"GET", "/nowhere", "", "", nil, 404, "unimplemented", "METHOD_UNKNOWN"},
		"no such method":        {"POST", get + "s", "application/json", "{}", nil, 404, "unimplemented", "METHOD_UNKNOWN"},
		"another HTTP method":   {"DELETE", get, "", "", nil, 405, "unimplemented", "METHOD_NOT_ALLOWED"},
		"another type":          {"POST", get, "text/csv", "id", nil, 415, "unimplemented", "CONTENT_TYPE_UNKNOWN"},
		"no type":               {"POST", get, "", "{}", nil, 415, "unimplemented", "CONTENT_TYPE_UNKNOWN"},
		"a stream as one":       {"POST", watch, "application/json", "{}", nil, 415, "unimplemented", "CONTENT_TYPE_UNKNOWN"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.header != nil {
			r.Header = c.header
		}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		status, h, body := rpctest.Do(t, s.Server, r)
		var got struct {
			Code    string
			Details []struct {
				Debug struct{ Reason, Domain string }
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Details) != 1 {
			t.Errorf("%s: %d, %s (%v)", name, status, body, err)
			continue
		}
		if d := got.Details[0].Debug; status != c.status || got.Code != c.code || d.Reason != c.reason || d.Domain != rpc.Domain {
			t.Errorf("%s: %d, %s", name, status, body)
		}
		for _, leaked := range []string{"*", "v1.", "unmarshal"} {
			if strings.Contains(body, leaked) {
				t.Errorf("%s: the answer shows how the program calls it: %s", name, body)
			}
		}
		if status == http.StatusMethodNotAllowed && h.Get("Allow") == "" {
			t.Errorf("%s: no method is allowed", name)
		}
	}
}

// TestStreamsRefuseWithAReason: a message that opens a stream and cannot be read.
func TestStreamsRefuseWithAReason(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{watch: func(func(int64) error) error { return nil }})
	for name, option := range map[string]connect.ClientOption{"Connect": connect.WithProtoJSON(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb()} {
		c := connect.NewClient[orderv1.WatchOrderRequest, orderv1.WatchOrderResponse](s.Client(), s.URL+orderv1connect.OrderServiceWatchOrderProcedure, option)
		stream, err := c.CallServerStream(t.Context(), connect.NewRequest(&orderv1.WatchOrderRequest{Id: strings.Repeat("x", maxMessage)}))
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Errorf("%s: it is answered", name)
		}
		rpctest.Refused(t, name, stream.Err(), connect.CodeResourceExhausted, "BODY_TOO_LARGE")
		_ = stream.Close()
	}
}

// TestMessagesRefuseWithAReason: the one message of a call that cannot be read. Nothing of how this program takes it is told, and
// nothing that is for a proxy of ours.
func TestMessagesRefuseWithAReason(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(context.Context) error { return fault.New(fault.NotFound, "ORDER_NOT_FOUND", "x") }})
	for name, option := range map[string]connect.ClientOption{"Connect": connect.WithClientOptions(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb()} {
		c := connect.NewClient[wrapperspb.BytesValue, orderv1.GetOrderResponse](s.Client(), s.URL+orderv1connect.OrderServiceGetOrderProcedure, option)
		for id, want := range map[string]struct {
			code   connect.Code
			reason string
		}{
			"\xff":                          {connect.CodeInvalidArgument, "MESSAGE_INVALID"},
			strings.Repeat("x", maxMessage): {connect.CodeResourceExhausted, "BODY_TOO_LARGE"},
			"x":                             {connect.CodeNotFound, "ORDER_NOT_FOUND"},
		} {
			_, err := c.CallUnary(t.Context(), connect.NewRequest(&wrapperspb.BytesValue{Value: []byte(id)}))
			rpctest.Refused(t, name, err, want.code, want.reason)
			failure, ok := errors.AsType[*connect.Error](err)
			if text := fmt.Sprint(err, failure.Meta()); !ok || strings.Contains(text, "v1.") || strings.Contains(text, "Meridian-Http") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// TestChallenge: who must sign in is told by what scheme, and whether the token was at fault (RFC 6750).
func TestChallenge(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(ctx context.Context) error {
		if _, err := rpc.CallerOf(ctx); err != nil {
			return err
		}
		return fault.New(fault.Denied, "ROLE_MISSING", "x")
	}})
	for token, want := range map[string]string{"": `Bearer realm="meridian"`, "Bearer eve": `Bearer realm="meridian", error="invalid_token"`, "Bearer ada": ""} {
		if got := s.post(t, http.Header{"Authorization": {token}}); got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%q: %d, %q, want %q", token, got.status, got.header.Get("WWW-Authenticate"), want)
		}
	}
}

// TestHead: what a GET answers, a HEAD says without the body.
func TestHead(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(context.Context) error { return nil }})
	for query, want := range map[string]int{"?encoding=json&message={}": 200, "?encoding=json&message=x": 400, "": 405} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.URL+"/meridian.order.v1.OrderService/GetOrder"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		status, h, body := rpctest.Do(t, s.Server, r)
		if status != want || body != "" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d, %v, %q", query, status, h, body)
		}
	}
}

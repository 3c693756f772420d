package history

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
)

type failingCart struct {
	cartv1connect.UnimplementedCartServiceHandler
	err error
}

func (f failingCart) SetItem(context.Context, *cartv1.SetItemRequest) (*cartv1.SetItemResponse, error) {
	if f.err != nil {
		return nil, f.err
	}
	return &cartv1.SetItemResponse{}, nil
}

func connectError(code connect.Code, reason string) error {
	err := connect.NewError(code, errors.New("no"))
	if reason != "" {
		detail, _ := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason, Domain: "meridian"})
		err.AddDetail(detail)
	}
	return err
}

func TestClassify(t *testing.T) {
	t.Parallel()
	answer := func(err error) http.Handler {
		_, h := cartv1connect.NewCartServiceHandler(failingCart{err: err})
		return h
	}
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, "proxy") })
	}
	for _, tt := range []struct {
		name         string
		handler      http.Handler
		outcome      Outcome
		code, reason string
	}{
		{"ok", answer(nil), OK, "", ""},
		{"503 in Connect's form", answer(connectError(connect.CodeUnavailable, "LEASE_MOVING")), Fail, "unavailable", "LEASE_MOVING"},
		{"409", answer(connectError(connect.CodeAborted, "CART_CHANGED")), Fail, "aborted", "CART_CHANGED"},
		{"429", answer(connectError(connect.CodeResourceExhausted, "")), Fail, "resource_exhausted", ""},
		{"400", answer(connectError(connect.CodeFailedPrecondition, "OUT_OF_STOCK")), Fail, "failed_precondition", "OUT_OF_STOCK"},
		{"500", answer(connectError(connect.CodeInternal, "")), Info, "internal", ""},
		{"ambiguous commit", answer(connectError(connect.CodeUnknown, "COMMIT_AMBIGUOUS")), Info, "unknown", "COMMIT_AMBIGUOUS"},
		{"504", answer(connectError(connect.CodeDeadlineExceeded, "")), Info, "deadline_exceeded", ""},
		{"a proxy's bare 502", status(http.StatusBadGateway), Info, Transport, ""},
		{"a proxy's bare 503", status(http.StatusServiceUnavailable), Info, Transport, ""},
		{"reset", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), Info, Transport, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			_, err := cartv1connect.NewCartServiceClient(server.Client(), server.URL).SetItem(t.Context(), &cartv1.SetItemRequest{})
			outcome, code, reason := Classify(err)
			if outcome != tt.outcome || code != tt.code || reason != tt.reason {
				t.Errorf("%v: got %s %q %q, want %s %q %q", err, outcome, code, reason, tt.outcome, tt.code, tt.reason)
			}
		})
	}
}

func TestRefusalsForTheShopsReasonsAreNoLossOfService(t *testing.T) {
	t.Parallel()
	op := Op{Outcome: Fail, Reason: OutOfStock}
	if !op.Succeeded() {
		t.Error("out of stock counts as a failure")
	}
	op.Reason = "DATABASE_UNREACHABLE"
	if op.Succeeded() {
		t.Error("an unreachable database counts as a success")
	}
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	if got := (Latencies{}).At(50); got != nil {
		t.Errorf("of nothing: %v", *got)
	}
	var l Latencies
	for i := range 200 {
		l = append(l, time.Duration(200-i)*time.Millisecond)
	}
	for percentile, want := range map[float64]float64{0: 1, 50: 100, 99: 198, 99.9: 200, 100: 200} {
		if got := l.At(percentile); *got != want {
			t.Errorf("p%v is %v ms, want %v", percentile, *got, want)
		}
	}
	if got := Millis(1234567 * time.Nanosecond); got != 1.23 {
		t.Errorf("1.234567 ms are %v", got)
	}
}

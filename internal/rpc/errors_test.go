package rpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// kinds is every kind of error with what a caller sees of it.
var kinds = []struct {
	kind   fault.Kind
	code   connect.Code
	status int
	defect bool // logged as one
}{
	{fault.Internal, connect.CodeInternal, http.StatusInternalServerError, true},
	{fault.Invalid, connect.CodeInvalidArgument, http.StatusBadRequest, false},
	{fault.NotFound, connect.CodeNotFound, http.StatusNotFound, false},
	{fault.Exists, connect.CodeAlreadyExists, http.StatusConflict, false},
	{fault.Unauthenticated, connect.CodeUnauthenticated, http.StatusUnauthorized, false},
	{fault.Denied, connect.CodePermissionDenied, http.StatusForbidden, false},
	{fault.FailedPrecondition, connect.CodeFailedPrecondition, http.StatusBadRequest, false},
	{fault.Aborted, connect.CodeAborted, http.StatusConflict, false},
	{fault.Mismatch, connect.CodeInvalidArgument, http.StatusUnprocessableEntity, false},
	{fault.Exhausted, connect.CodeResourceExhausted, http.StatusTooManyRequests, false},
	{fault.Unavailable, connect.CodeUnavailable, http.StatusServiceUnavailable, false},
	{fault.Ambiguous, connect.CodeUnknown, http.StatusInternalServerError, true},
}

// details returns the details of a Connect error by type.
func details(t *testing.T, err *connect.Error) (info *errdetails.ErrorInfo, retry *errdetails.RetryInfo) {
	t.Helper()
	for _, d := range err.Details() {
		message, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		switch m := message.(type) {
		case *errdetails.ErrorInfo:
			info = m
		case *errdetails.RetryInfo:
			retry = m
		default:
			t.Errorf("a detail of type %T", m)
		}
	}
	return info, retry
}

func TestEveryKindOverTheWire(t *testing.T) {
	t.Parallel()
	for i, k := range kinds {
		if int(k.kind) != i {
			t.Fatalf("row %d is of kind %d", i, k.kind)
		}
		cause := fault.Wrap(errors.New("secret cause"), k.kind, "SOME_REASON", "what to do").With("sku", "A").After(1500 * time.Millisecond)
		s := serve(t, &orders{get: func(context.Context) error { return fmt.Errorf("order: place: %w", cause) }})

		res := s.post(t, nil)
		if res.status != k.status || res.header.Get("Retry-After") != "2" || !strings.Contains(res.body, `"code":"`+k.code.String()+`"`) {
			t.Errorf("kind %d: %+v; want %d, %s, Retry-After: 2", k.kind, res, k.status, k.code)
		}
		if strings.Contains(res.body, "secret") {
			t.Errorf("kind %d: the caller sees the cause: %s", k.kind, res.body)
		}
		for name := range res.header {
			if strings.HasPrefix(name, "Meridian-") {
				t.Errorf("kind %d: the answer carries %s", k.kind, name)
			}
		}
		if log := s.log.take(); strings.Contains(log, "level=ERROR") != k.defect || !strings.Contains(log, "secret cause") {
			t.Errorf("kind %d: logged %q", k.kind, log)
		}

		_, err := s.client.GetOrder(t.Context(), &orderv1.GetOrderRequest{})
		checkError(t, err, k.code)
	}
}

func checkError(t *testing.T, err error, code connect.Code) {
	t.Helper()
	var got *connect.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	if got.Code() != code || got.Message() != "what to do" {
		t.Errorf("got %v, want %s: what to do", got, code)
	}
	info, retry := details(t, got)
	want := &errdetails.ErrorInfo{Reason: "SOME_REASON", Domain: "meridian", Metadata: map[string]string{"sku": "A"}}
	if diff := cmp.Diff(want, info, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}, retry, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestGRPCCallersSeeTheSame(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		cause := fault.New(k.kind, "SOME_REASON", "what to do").With("sku", "A").After(1500 * time.Millisecond)
		s := serve(t, &orders{get: func(context.Context) error { return cause }}, connect.WithGRPC())
		_, err := s.client.GetOrder(t.Context(), &orderv1.GetOrderRequest{})
		checkError(t, err, k.code)
	}
}

func TestRetryAfterIsWholeSecondsAndNeverZero(t *testing.T) {
	t.Parallel()
	for advice, want := range map[time.Duration]string{
		0: "", time.Millisecond: "1", time.Second: "1", 5 * time.Second: "5", 2 * time.Minute: "120",
	} {
		got := rpc.ToConnect(fault.New(fault.Unavailable, "X", "x").After(advice)).Meta().Get("Retry-After")
		if got != want {
			t.Errorf("advice to wait %s became %q, want %q", advice, got, want)
		}
	}
}

func TestErrorsOfNoKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		code   connect.Code
		reason string
		defect bool
	}{
		"a defect":           {errors.New("secret"), connect.CodeInternal, "INTERNAL", true},
		"the caller left":    {fmt.Errorf("order: watch: %w", context.Canceled), connect.CodeCanceled, "CANCELED", false},
		"the caller's limit": {context.DeadlineExceeded, connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", false},
		"a kind of both":     {fault.Wrap(context.Canceled, fault.Unavailable, "CANCELED", "x"), connect.CodeUnavailable, "CANCELED", false},
		"already Connect's":  {connect.NewError(connect.CodeDataLoss, errors.New("secret")), connect.CodeDataLoss, "INTERNAL", false},
	} {
		s := serve(t, &orders{get: func(context.Context) error { return c.err }})
		_, err := s.client.GetOrder(t.Context(), &orderv1.GetOrderRequest{})
		var got *connect.Error
		if !errors.As(err, &got) || got.Code() != c.code || strings.Contains(got.Message(), "secret") {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
			continue
		}
		if info, _ := details(t, got); info.GetReason() != c.reason {
			t.Errorf("%s: reason %q, want %q", name, info.GetReason(), c.reason)
		}
		if log := s.log.take(); strings.Contains(log, "level=ERROR") != c.defect {
			t.Errorf("%s: logged %q", name, log)
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	s := serve(t, &orders{watch: func(send func(int64) error) error {
		if err := send(1); err != nil {
			return err
		}
		<-seen // a message is on its way before the stream ends
		return fault.New(fault.Unavailable, "DRAINING", "reconnect").After(time.Second)
	}})
	stream, err := s.client.WatchOrder(t.Context(), &orderv1.WatchOrderRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() || stream.Msg().GetOrder().GetVersion() != 1 {
		t.Fatalf("the first message is %v (%v)", stream.Msg(), stream.Err())
	}
	close(seen)
	if stream.Receive() {
		t.Errorf("a second message: %v", stream.Msg())
	}
	var got *connect.Error
	if !errors.As(stream.Err(), &got) || got.Code() != connect.CodeUnavailable {
		t.Fatalf("the stream ended with %v", stream.Err())
	}
	if info, _ := details(t, got); info.GetReason() != "DRAINING" {
		t.Errorf("reason %q", info.GetReason())
	}
}

// A status that no error asked for passes, and a handler behind Statuses can flush and reach its connection.
func TestStatusesPassThrough(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(context.Context) error { return nil }})
	if res := s.post(t, nil); res.status != http.StatusOK {
		t.Errorf("status %d", res.status)
	}
	h := rpc.Statuses(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("the connection is out of reach: %v", err)
		}
		w.WriteHeader(http.StatusTeapot)
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no Flusher")
		}
	}))
	plain := serveHTTP(t, h)
	if plain != http.StatusTeapot {
		t.Errorf("status %d", plain)
	}
}

// TestBombs: a message that is small as it is sent and too long once it is unpacked is its sender's fault, not an overload.
func TestBombs(t *testing.T) {
	t.Parallel()
	s := serve(t, &orders{get: func(context.Context) error { return nil }})
	for size, want := range map[int]int{maxMessage / 2: http.StatusOK, 100 * maxMessage: http.StatusRequestEntityTooLarge} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := fmt.Fprintf(z, `{"id":"%s"}`, strings.Repeat("x", size)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+orderv1connect.OrderServiceGetOrderProcedure, &packed)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", "gzip")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes unpacked: %d, want %d", size, res.StatusCode, want)
		}
	}
}

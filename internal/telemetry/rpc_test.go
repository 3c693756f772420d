package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	unaryProcedure  = "/meridian.test.v1.TestService/Do"
	streamProcedure = "/meridian.test.v1.TestService/Watch"
)

// serveTest serves one unary and one streaming method that both end with err, measured and traced by tel.
func serveTest(t *testing.T, tel *Telemetry, err error) *httptest.Server {
	t.Helper()
	metrics, regErr := NewRPCMetrics(tel.Metrics)
	if regErr != nil {
		t.Fatal(regErr)
	}
	measured := connect.WithInterceptors(metrics)
	mux := http.NewServeMux()
	mux.Handle(unaryProcedure, connect.NewUnaryHandler(unaryProcedure,
		func(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
			return connect.NewResponse(&emptypb.Empty{}), err
		}, measured))
	mux.Handle(streamProcedure, connect.NewServerStreamHandler(streamProcedure,
		func(_ context.Context, _ *connect.Request[emptypb.Empty], s *connect.ServerStream[emptypb.Empty]) error {
			return errors.Join(s.Send(&emptypb.Empty{}), err)
		}, measured))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tel.Tracers.Tracer("test").Start(r.Context(), "rpc")
		defer span.End()
		mux.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestRPCMetrics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code string
	}{
		{nil, "ok"},
		{connect.NewError(connect.CodeAborted, errors.New("lost a race")), "aborted"},
		{errors.New("plain"), "unknown"},
		{context.DeadlineExceeded, "deadline_exceeded"},
		{context.Canceled, "canceled"},
	} {
		tel := start(t, Config{})
		server := serveTest(t, tel, c.err)
		unary := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+unaryProcedure)
		if _, err := unary.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{})); (err == nil) != (c.err == nil) {
			t.Fatalf("%s: call: %v", c.code, err)
		}
		stream := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+streamProcedure)
		received, err := stream.CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
		if err != nil {
			t.Fatalf("%s: stream: %v", c.code, err)
		}
		for received.Receive() {
			continue
		}
		_ = received.Close()
		server.Close() // waits for the handlers, which record as they return

		got := scrape(t, tel.AdminHandler())
		for _, method := range []string{"Do", "Watch"} {
			labels := `method="` + method + `",service="meridian.test.v1.TestService"`
			for _, line := range []string{
				`meridian_rpc_server_duration_seconds_count{code="` + c.code + `",` + labels + "} 1\n",
				"meridian_rpc_server_in_flight{" + labels + "} 0.0\n",
			} {
				if !strings.Contains(got, line) {
					t.Errorf("%s: scrape lacks %q", c.code, line)
				}
			}
		}
		if n := strings.Count(got, `# {trace_id="`); n != 2 {
			t.Errorf("%s: %d exemplars, want 2", c.code, n)
		}
		if t.Failed() {
			t.Log(got)
		}
	}
}

func TestRPCMetricsCountPanics(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	metrics, err := NewRPCMetrics(tel.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = metrics.measure(t.Context(), unaryProcedure, func() error { panic("bug") })
	}()
	want := `meridian_rpc_server_duration_seconds_count{code="internal",method="Do",service="meridian.test.v1.TestService"} 1`
	if got := scrape(t, tel.AdminHandler()); !strings.Contains(got, want) {
		t.Errorf("scrape lacks %q", want)
	}
}

func TestRPCMetricsRegisterOnce(t *testing.T) {
	t.Parallel()
	tel := start(t, Config{})
	if _, err := NewRPCMetrics(tel.Metrics); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRPCMetrics(tel.Metrics); err == nil {
		t.Error("a second registration was accepted")
	}
}

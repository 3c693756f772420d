package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// TestEventsAreNotHeldBack has a stack that sends its second event only after the caller read the first.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	read := make(chan struct{})
	proto := ""
	s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			if i == 0 {
				<-read
			}
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/orders/"+id.New(id.Order, "eu1")+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for i, want := range []string{"data: 0", "", "data: 1", ""} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %d is %q, want %q", i, lines.Text(), want)
		}
		if i == 0 {
			close(read)
		}
	}
	if proto != "HTTP/2.0" {
		t.Errorf("a stream went over %s", proto)
	}
}

// orders is a stack's order service: a stream of two orders, the second when the caller has the first.
type orders struct {
	orderv1connect.UnimplementedOrderServiceHandler
	next chan struct{}
}

func (o orders) WatchOrder(ctx context.Context, _ *orderv1.WatchOrderRequest, stream *connect.ServerStream[orderv1.WatchOrderResponse]) error {
	for i := range 2 {
		if err := stream.Send(&orderv1.WatchOrderResponse{Order: &orderv1.Order{Version: int64(i + 1)}}); err != nil {
			return err
		}
		if i == 0 {
			select {
			case <-o.next:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// TestBrokenStreams: a stream whose stack is killed, or whose time is over, ends as its protocol says such a thing.
func TestBrokenStreams(t *testing.T) {
	t.Parallel()
	h2 := &http.Client{Transport: &http.Transport{Protocols: clearH2()}}
	for name, option := range map[string]connect.ClientOption{
		"Connect": connect.WithProtoJSON(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb(),
	} {
		for why, want := range map[string]struct {
			code   connect.Code
			reason string
		}{"killed": {connect.CodeUnavailable, "ANSWER_BROKEN"}, "late": {connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED"}} {
			t.Run(name+", "+why, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				_, h := orderv1connect.NewOrderServiceHandler(orders{next: make(chan struct{})})
				stack := s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("Connect-Timeout-Ms") // so that it is the edge that notices
					r.Header.Del("Grpc-Timeout")
					h.ServeHTTP(w, r)
				})
				client := orderv1connect.NewOrderServiceClient(h2, s.url, option)
				ctx, call := connect.NewClientContext(t.Context())
				if why == "late" {
					call.RequestHeader().Set("Connect-Timeout-Ms", "100")
					call.RequestHeader().Set("Grpc-Timeout", "100m")
				}
				stream, err := client.WatchOrder(ctx, &orderv1.WatchOrderRequest{})
				if err != nil {
					t.Fatal(err)
				}
				if got := stream.Receive(); why == "killed" && !got {
					t.Fatal("no first message:", stream.Err())
				}
				if why == "killed" {
					stack.kill()
				}
				for stream.Receive() {
					t.Log("one more message")
				}
				rpctest.Refused(t, name, stream.Err(), want.code, want.reason)
				_ = stream.Close()
			})
		}
	}
}

func TestRPCStreams(t *testing.T) {
	t.Parallel()
	h2 := &http.Client{Transport: &http.Transport{Protocols: clearH2()}}
	for name, tc := range map[string]struct {
		client *http.Client
		option connect.ClientOption
	}{
		"Connect over HTTP/1.1": {http.DefaultClient, connect.WithProtoJSON()},
		"Connect over HTTP/2":   {h2, connect.WithSendGzip()},
		"gRPC":                  {h2, connect.WithGRPC()},
		"gRPC-Web":              {http.DefaultClient, connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			next := make(chan struct{})
			_, h := orderv1connect.NewOrderServiceHandler(orders{next: next})
			s.add(t, eu, "eu/0", h.ServeHTTP)
			client := orderv1connect.NewOrderServiceClient(tc.client, s.url, tc.option)
			stream, err := client.WatchOrder(t.Context(), &orderv1.WatchOrderRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for i := int64(1); stream.Receive(); i++ {
				if got := stream.Msg().GetOrder().GetVersion(); got != i {
					t.Errorf("message %d is version %d", i, got)
				}
				if i == 1 {
					close(next)
				}
			}
			if err := stream.Err(); err != nil {
				t.Error(err)
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
			if _, err := client.GetOrder(t.Context(), &orderv1.GetOrderRequest{}); connect.CodeOf(err) != connect.CodeUnimplemented {
				t.Errorf("an error of the stack became %v", err)
			}
		})
	}
}

// TestProblemsInEveryProtocol: a client of any protocol learns the code and the reason of what the edge says itself.
func TestProblemsInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h2 := &http.Client{Transport: &http.Transport{Protocols: clearH2()}}
	for name, option := range map[string]connect.ClientOption{
		"Connect": connect.WithProtoJSON(), "Connect GET": connect.WithHTTPGet(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb(),
	} {
		_, err := catalogv1connect.NewCatalogServiceClient(h2, s.url, option).GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: "x"})
		if code, reason := connect.CodeOf(err), reasonOf(err); code != connect.CodeUnavailable || reason != "NO_HEALTHY_REGION" {
			t.Errorf("%s: %v %q: %v", name, code, reason, err)
		}
		stream, err := orderv1connect.NewOrderServiceClient(h2, s.url, option).WatchOrder(t.Context(), &orderv1.WatchOrderRequest{})
		if err == nil {
			stream.Receive()
			err = stream.Err()
			_ = stream.Close()
		}
		if code := connect.CodeOf(err); code != connect.CodeUnavailable {
			t.Errorf("%s stream: %v", name, err)
		}
	}
}

func reasonOf(err error) string {
	if failure, ok := errors.AsType[*connect.Error](err); ok {
		for _, d := range failure.Details() {
			if v, err := d.Value(); err == nil {
				if info, ok := v.(*errdetails.ErrorInfo); ok && info.GetDomain() == "meridian" {
					return info.GetReason()
				}
			}
		}
	}
	return ""
}

// TestAnswerBreaksOff: an answer that a stack began and did not end is not passed off as complete.
func TestAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	other := s.add(t, us, "us/0", echo)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+product, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := s.client.Do(req); err == nil {
		defer func() { _ = res.Body.Close() }()
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("the answer seems whole: %q", body)
		}
	}
	if other.calls.Load() != 0 {
		t.Error("a request was repeated after its answer began")
	}
	eventually(t, "the broken answer is counted", func() bool { return s.count(t, "meridian_edge_requests_total", "aborted") == 1 })
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	instance := s.add(t, eu, "eu/0", hang(t))
	other := s.add(t, us, "us/0", echo)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+product, nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if res, err := s.client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	eventually(t, "the request waits", func() bool { return instance.calls.Load() == 1 })
	leave()
	<-left
	eventually(t, "it is counted", func() bool { return s.count(t, "meridian_edge_requests_total", "canceled") == 1 })
	if other.calls.Load() != 0 || instance.InFlight() != 0 {
		t.Errorf("after the caller left: %d calls elsewhere, %d under way", other.calls.Load(), instance.InFlight())
	}
}

// count sums the values of a metric that have some label of that value.
func (s *site) count(t testing.TB, name, label string) (sum float64) {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", reset)
	s.add(t, us, "us/0", echo)
	s.send(t, http.MethodPost, product, "{}")
	for _, tc := range []struct {
		name, label string
		want        float64
	}{
		{"meridian_edge_requests_total", "failover", 1},
		{"meridian_edge_requests_total", "200", 1},
		{"meridian_edge_request_duration_seconds", "failover", 1},
		{"meridian_edge_retries_total", "reset", 1},
		{"meridian_edge_failovers_total", "us-east-1", 1},
		{"meridian_edge_region_healthy_instances", "us-east-1", 1},
		{"meridian_edge_region_instances", "ap-southeast-1", 0},
		{"meridian_edge_region_membership_source", "consul", 3},
	} {
		eventually(t, fmt.Sprintf("%s of %s is %v", tc.name, tc.label, tc.want), func() bool { return s.count(t, tc.name, tc.label) == tc.want })
	}
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exemplars := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				if b.GetExemplar() != nil {
					exemplars++
				}
			}
		}
	}
	if exemplars != 1 {
		t.Errorf("%d exemplars", exemplars)
	}
}

// FuzzServe proves that no request panics the edge, and that none goes unanswered.
func FuzzServe(f *testing.F) {
	f.Add("POST", place, "Bearer home:us-east-1", "1.1.1.1, 2.2.2.2", "us-east-1", "k", "{}")
	f.Add("GET", "/v1/orders/"+id.New(id.Order, "eu1")+"/events", "", "\"", "x", "", "")
	f.Add("OPTIONS", "*", "Bearer ", ",", "", " ", "x")
	f.Add("CONNECT", "//", "", "", "", "", "")
	s := newSite(f)
	s.add(f, eu, "eu/0", echo)
	f.Fuzz(func(t *testing.T, method, path, authorization, forwarded, region, key, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://edge/", strings.NewReader(body))
		if err != nil {
			return
		}
		req.URL.Path, req.RemoteAddr = path, forwarded
		for name, value := range map[string]string{
			"Authorization": authorization, "X-Forwarded-For": forwarded, "Forwarded": forwarded, "Meridian-Region": region,
			"Meridian-Prefer-Region": key, "Idempotency-Key": key, "Upgrade": key, "Connection": "upgrade, " + forwarded,
			"Content-Type": authorization, "X-Request-Id": key, "Accept": authorization,
		} {
			req.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.edge.Handler().ServeHTTP(w, req)
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("answered %d", w.Code)
		}
	})
}

// clearH2 is HTTP/2 in clear text.
func clearH2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

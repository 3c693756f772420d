package rpc_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// orders answers what a test wants: get for GetOrder and ListOrders, watch for WatchOrder.
type orders struct {
	orderv1connect.UnimplementedOrderServiceHandler
	get   func(ctx context.Context) error
	watch func(send func(version int64) error) error
}

func (o *orders) GetOrder(ctx context.Context, r *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	if err := o.get(ctx); err != nil {
		return nil, err
	}
	return &orderv1.GetOrderResponse{Order: &orderv1.Order{Id: r.GetId()}}, nil
}

func (o *orders) WatchOrder(_ context.Context, _ *orderv1.WatchOrderRequest, stream *connect.ServerStream[orderv1.WatchOrderResponse]) error {
	return o.watch(func(version int64) error {
		return stream.Send(&orderv1.WatchOrderResponse{Order: &orderv1.Order{Version: version}})
	})
}

type tokens = rpctest.Tokens

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// take returns what was logged since the last call.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

const maxMessage = 64 << 10 // bytes of a request's message, unpacked

type server struct {
	*httptest.Server
	client orderv1connect.OrderServiceClient
	log    *journal
}

// serve runs a handler as a stack does: error mapping, statuses and authentication around it.
func serve(t *testing.T, o *orders, options ...connect.ClientOption) server {
	t.Helper()
	log := &journal{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux := http.NewServeMux()
	mux.Handle(orderv1connect.NewOrderServiceHandler(o, connect.WithInterceptors(rpc.Errors(logger)), connect.WithReadMaxBytes(maxMessage)))
	s := httptest.NewUnstartedServer(rpc.Statuses(rpc.Authenticate(tokens{"ada": {UserID: "u", Home: "eu-west-1", Currency: "EUR"}}, mux)))
	s.EnableHTTP2 = true // gRPC needs it
	s.StartTLS()
	t.Cleanup(s.Close)
	return server{s, orderv1connect.NewOrderServiceClient(s.Client(), s.URL, options...), log}
}

// answer is what curl shows.
type answer struct {
	status int
	header http.Header
	body   string
}

// post calls GetOrder as curl would.
func (s server) post(t *testing.T, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+orderv1connect.OrderServiceGetOrderProcedure, strings.NewReader(`{"id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// shopper is a signed-up caller at one edge.
type shopper struct {
	t       *testing.T
	account *accountv1.Account
	token   string
	edge    string
}

func edgeOf(t *testing.T, p *topology.Plan, n regions.Name) string {
	t.Helper()
	r, ok := p.Lookup(n)
	if !ok {
		t.Fatalf("the plan has no region %s", n)
	}
	return "http://" + r.Edge
}

func signUp(t *testing.T, edge, country, name string) *shopper {
	t.Helper()
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("CF-IPCountry", country)
	res, err := accountv1connect.NewAccountServiceClient(http.DefaultClient, edge).SignUp(ctx, &accountv1.SignUpRequest{
		Email: name + "@example.com", Password: "correct horse battery", DisplayName: name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &shopper{t: t, account: res.GetAccount(), token: res.GetAccessToken(), edge: edge}
}

func (s *shopper) context(key string) context.Context {
	ctx, info := connect.NewClientContext(s.t.Context())
	info.RequestHeader().Set("Authorization", "Bearer "+s.token)
	if key != "" {
		info.RequestHeader().Set("Idempotency-Key", key)
	}
	return ctx
}

func (s *shopper) setItem(sku string, n int32) error {
	_, err := cartv1connect.NewCartServiceClient(http.DefaultClient, s.edge).SetItem(s.context(""), &cartv1.SetItemRequest{Sku: sku, Quantity: &n})
	return err
}

func (s *shopper) place(key string) (*orderv1.Order, error) {
	res, err := orderv1connect.NewOrderServiceClient(http.DefaultClient, s.edge).PlaceOrder(s.context(key), &orderv1.PlaceOrderRequest{})
	return res.GetOrder(), err
}

func (s *shopper) product(handle string) error {
	client := catalogv1connect.NewCatalogServiceClient(http.DefaultClient, s.edge, connect.WithHTTPGet())
	_, err := client.GetProduct(s.t.Context(), &catalogv1.GetProductRequest{Handle: handle})
	return err
}

// await watches an order until it is in a state.
func (s *shopper) await(id string, want orderv1.OrderState) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.context(""), 5*time.Minute)
	defer cancel()
	stream, err := orderv1connect.NewOrderServiceClient(http.DefaultClient, s.edge).WatchOrder(ctx, &orderv1.WatchOrderRequest{Id: id})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		if stream.Msg().GetOrder().GetState() == want {
			return
		}
	}
	s.t.Fatalf("the watch of %s ended before %s: %v", id, want, stream.Err())
}

// buy orders one SKU until that is acknowledged, with one key, and returns the order.
func (s *shopper) buy(sku string) *orderv1.Order {
	s.t.Helper()
	if err := s.eventually(func() error { return s.setItem(sku, 1) }); err != nil {
		s.t.Fatal(err)
	}
	var placed *orderv1.Order
	key := fmt.Sprintf("%s-%d", sku, time.Now().UnixNano())
	if err := s.eventually(func() (err error) { placed, err = s.place(key); return err }); err != nil {
		s.t.Fatal(err)
	}
	return placed
}

// eventually repeats what is refused for now, as a patient caller does, for up to five minutes.
func (s *shopper) eventually(f func() error) error {
	deadline := time.Now().Add(5 * time.Minute)
	for {
		err := f()
		switch code := connect.CodeOf(err); {
		case err == nil, time.Now().After(deadline):
			return err
		case code != connect.CodeUnavailable && code != connect.CodeUnknown && code != connect.CodeDeadlineExceeded:
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

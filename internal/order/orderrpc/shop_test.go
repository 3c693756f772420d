package orderrpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"connectrpc.com/connect"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/orderrpc"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

const home regions.Name = "eu-west-1"

// shop serves the order room on a real database that has 10 units at home of A, at 10.00 EUR, to ada and eve.
type shop struct {
	orderv1connect.OrderServiceClient
	t       *testing.T
	server  *httptest.Server
	db      *sqldb.DB
	store   *ordersql.Store
	carts   *cartsql.Store
	closing chan struct{} // closed by a test to drain
}

func open(t *testing.T) *shop {
	t.Helper()
	db := sqltest.Open(t, nil)
	s := &shop{t: t, db: db, store: ordersql.New(db), carts: cartsql.New(db, clock.System()), closing: make(chan struct{})}
	s.call("A")
	if err := stocksql.New(db, regions.Default()).Allot(t.Context(), map[string]int64{"A": 30}); err != nil {
		t.Fatal(err)
	}
	watchers := order.NewWatchers(s.store, noFeed{}, regions.Default(), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background()) // t's own ends before the server, whose watches it would stop
	var running sync.WaitGroup
	running.Go(func() { watchers.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	handler := orderrpc.New(order.New(s.store, regions.Default(), watchers), s.closing)
	callers := rpctest.Tokens{
		"ada": {UserID: "usr_eu1_ada", Home: home, Currency: "EUR"}, "eve": {UserID: "usr_eu1_eve", Home: home, Currency: "EUR"},
	}
	s.server = rpctest.Serve(t, callers, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(orderv1connect.NewOrderServiceHandler(handler, options...))
		mux.Handle("GET /v1/orders/{id}/events", handler.Events())
	})
	s.OrderServiceClient = orderv1connect.NewOrderServiceClient(s.server.Client(), s.server.URL, connect.WithHTTPGet())
	return s
}

// noFeed is a region without Redis.
type noFeed struct{}

func (noFeed) Publish(context.Context, string) {}

func (noFeed) Follow(context.Context, func(), func(string)) error { return errors.New("no feed") }

// call gives the one variant that there is a SKU; its id is the first.
func (s *shop) call(sku string) {
	s.t.Helper()
	_, err := catalogsql.New(s.db, regions.Default(), clock.System()).Put(s.t.Context(), []catalog.Product{{
		Handle: "tea", Title: "Tea", Active: true, Variants: []catalog.Variant{{SKU: sku, Prices: []money.Money{{Minor: 1000, Currency: "EUR"}}}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// fill puts units of a SKU into ada's cart.
func (s *shop) fill(sku string, units int64) {
	s.t.Helper()
	_, err := s.carts.Change(s.t.Context(), home, "usr_eu1_ada", func(c cart.Cart) (cart.Cart, error) { return c.With(sku, units, money.Money{}) })
	if err != nil {
		s.t.Fatal(err)
	}
}

// place calls PlaceOrder as ada with a key.
func (s *shop) place(key string, r *orderv1.PlaceOrderRequest) (*orderv1.Order, error) {
	s.t.Helper()
	res, err := s.PlaceOrder(rpctest.With(s.t.Context(), "Authorization", "Bearer ada", "Idempotency-Key", key), r)
	return res.GetOrder(), err
}

// placed returns a new order of ada's.
func (s *shop) placed(key string) *orderv1.Order {
	s.t.Helper()
	s.fill("A", 1)
	o, err := s.place(key, &orderv1.PlaceOrderRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// move changes an order as the payment room does.
func (s *shop) move(orderID string, to order.State) {
	s.t.Helper()
	err := s.db.InTx(s.t.Context(), func(tx sqldb.Tx) error {
		switch to {
		case order.Confirmed:
			return s.store.Confirm(s.t.Context(), tx, home, orderID, "pay")
		case order.Fulfilled:
			return s.store.Fulfill(s.t.Context(), tx, home, orderID)
		case order.Canceled:
			return s.store.Cancel(s.t.Context(), tx, home, orderID, "PAYMENT_DECLINED")
		default:
			return fmt.Errorf("nobody moves an order to %s", to)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

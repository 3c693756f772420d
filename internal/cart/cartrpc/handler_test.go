package cartrpc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartrpc"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// serve serves carts on a real database whose catalog sells the SKUs A and B, to ada and eve.
func serve(t *testing.T) (cartv1connect.CartServiceClient, *httptest.Server) {
	t.Helper()
	db := sqltest.Open(t, nil)
	products := catalogsql.New(db, regions.Default(), clock.System())
	_, err := products.Put(t.Context(), []catalog.Product{{Handle: "tea", Active: true, Variants: []catalog.Variant{{SKU: "A"}, {SKU: "B"}}}})
	if err != nil {
		t.Fatal(err)
	}
	service := cart.New(cartsql.New(db, clock.System()), products)
	callers := rpctest.Tokens{
		"ada": {UserID: "usr_eu1_ada", Home: "eu-west-1", Currency: "EUR"}, "eve": {UserID: "usr_us1_eve", Home: "us-east-1", Currency: "USD"},
	}
	s := rpctest.Serve(t, callers, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(cartv1connect.NewCartServiceHandler(cartrpc.New(service), options...))
	})
	return cartv1connect.NewCartServiceClient(s.Client(), s.URL, connect.WithHTTPGet()), s
}

func TestCart(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	empty, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
	if diff := cmp.Diff(&cartv1.Cart{Etag: "v0"}, empty.GetCart(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	set := func(sku string, quantity int32, etag string) (*cartv1.Cart, error) {
		res, err := client.SetItem(rpctest.As(t.Context(), "ada"), &cartv1.SetItemRequest{Sku: sku, Quantity: quantity, Etag: etag})
		return res.GetCart(), err
	}
	if _, err := set("B", 1, ""); err != nil {
		t.Fatal(err)
	}
	got, err := set("A", 2, "v1")
	want := &cartv1.Cart{Items: []*cartv1.Item{{Sku: "A", Quantity: 2}, {Sku: "B", Quantity: 1}}, Etag: "v2"}
	if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	again, err := set("A", 2, "")
	if diff := cmp.Diff(want, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("repeated: %v\n%s", err, diff)
	}
	_, err = set("A", 3, "v1")
	rpctest.Refused(t, "old etag", err, connect.CodeAborted, "CART_CHANGED")
	_, err = set("gone", 1, "")
	rpctest.Refused(t, "unknown SKU", err, connect.CodeNotFound, "SKU_NOT_FOUND")
	_, err = set("A", 100, "")
	rpctest.Refused(t, "too many", err, connect.CodeInvalidArgument, "QUANTITY_INVALID")
	_, err = set("A", -1, "")
	rpctest.Refused(t, "less than none", err, connect.CodeInvalidArgument, "QUANTITY_INVALID")
	kept, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
	if diff := cmp.Diff(want, kept.GetCart(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	other, err := client.GetCart(rpctest.As(t.Context(), "eve"), &cartv1.GetCartRequest{})
	if err != nil || len(other.GetCart().GetItems()) != 0 {
		t.Errorf("another user's cart is %v, %v", other.GetCart(), err)
	}
}

func TestNobodyHasACart(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	_, err := client.GetCart(t.Context(), &cartv1.GetCartRequest{})
	rpctest.Refused(t, "GetCart", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.SetItem(t.Context(), &cartv1.SetItemRequest{Sku: "A", Quantity: 1})
	rpctest.Refused(t, "SetItem", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.SetItem(rpctest.As(t.Context(), "forged"), &cartv1.SetItemRequest{Sku: "A", Quantity: 1})
	rpctest.Refused(t, "SetItem", err, connect.CodeUnauthenticated, "TOKEN_INVALID")
}

func TestGet(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	if status, _, body := rpctest.Get(t, s, cartv1connect.CartServiceGetCartProcedure, "{}", "ada"); status != http.StatusOK || body != `{"cart":{"etag":"v0"}}` {
		t.Errorf("status %d, body %s", status, body)
	}
	if status, _, body := rpctest.Get(t, s, cartv1connect.CartServiceGetCartProcedure, "{}", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d, body %s", status, body)
	}
	if status, _, _ := rpctest.Get(t, s, cartv1connect.CartServiceSetItemProcedure, `{"sku":"A","quantity":1}`, "ada"); status != http.StatusMethodNotAllowed {
		t.Errorf("a change by GET: status %d", status)
	}
}

package cartrpc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	checkoutv1 "github.com/meridian-commerce/meridian/api/gen/meridian/checkout/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountsql"
	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartrpc"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion/promotioncache"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// shop is what the tests of a cart need of the others.
type shop struct {
	cartv1connect.CartServiceClient
	server   *httptest.Server
	products *catalogcache.Store
	db       *sqldb.DB
}

// serve serves carts on a real database and no Redis, to ada and eve. The catalog sells A at 10.00 and B at 2.50 EUR,
// and C, which has no price in EUR. One unit of four of each SKU is free.
func serve(t *testing.T) shop {
	t.Helper()
	db := sqltest.Open(t, nil)
	behind := catalogsql.New(db, regions.Default(), clock.System())
	none, err := cache.New(cache.Config{}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	products := catalogcache.New(behind, none, func(context.Context, cache.Status) {})
	offers, err := catalogcache.NewOffers(products, behind)
	if err == nil {
		_, err = products.Put(t.Context(), []catalog.Product{tea(1000)})
	}
	if err != nil {
		t.Fatal(err)
	}
	service := cart.New(cartsql.New(db, clock.System()), offers, promotioncache.New(promotionsql.New(db), none), fourthFree)
	callers := rpctest.Tokens{
		"ada": {UserID: "usr_eu1_ada", Home: "eu-west-1", Currency: "EUR"}, "eve": {UserID: "usr_us1_eve", Home: "us-east-1", Currency: "USD"},
	}
	s := rpctest.Serve(t, callers, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(cartv1connect.NewCartServiceHandler(cartrpc.New(service), options...))
	})
	return shop{cartv1connect.NewCartServiceClient(s.Client(), s.URL, connect.WithHTTPGet()), s, products, db}
}

func tea(minor int64) catalog.Product {
	return catalog.Product{Handle: "tea", Title: "Tea", Active: true, Variants: []catalog.Variant{
		{SKU: "A", Title: "Large", Prices: []money.Money{{Minor: minor, Currency: "EUR"}}},
		{SKU: "B", Prices: []money.Money{{Minor: 250, Currency: "EUR"}}},
		{SKU: "C", Prices: []money.Money{{Minor: 99, Currency: "USD"}}},
	}}
}

func fourthFree(q checkout.Quote) (out []checkout.Adjustment, err error) {
	for _, l := range q.Lines {
		if free := l.Quantity / 4; free > 0 {
			amount := money.Money{Minor: -free * l.UnitPrice.Minor, Currency: q.Currency}
			out = append(out, checkout.Adjustment{Source: "promotion/fourth", Kind: checkout.Discount, SKU: l.SKU, Amount: amount})
		}
	}
	return out, nil
}

func eur(minor int64) *moneyv1.Money { return &moneyv1.Money{MinorUnits: minor, Currency: "EUR"} }

func usd(minor int64) *moneyv1.Money { return &moneyv1.Money{MinorUnits: minor, Currency: "USD"} }

func TestCart(t *testing.T) {
	t.Parallel()
	client := serve(t)
	empty, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
	if diff := cmp.Diff(&cartv1.Cart{Etag: "v0", Subtotal: eur(0), Total: eur(0)}, empty.GetCart(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	set := func(sku string, quantity int32, etag string) (*cartv1.Cart, error) {
		res, err := client.SetItem(rpctest.As(t.Context(), "ada"), &cartv1.SetItemRequest{Sku: sku, Quantity: &quantity, Etag: etag})
		return res.GetCart(), err
	}
	if _, err := set("B", 1, ""); err != nil {
		t.Fatal(err)
	}
	got, err := set("A", 2, "v1")
	want := &cartv1.Cart{
		Items: []*cartv1.Item{
			{VariantId: "A", Sku: "A", Quantity: 2, Title: "Tea · Large", UnitPrice: eur(1000), Amount: eur(2000), Total: eur(2000)},
			{VariantId: "B", Sku: "B", Quantity: 1, Title: "Tea", UnitPrice: eur(250), Amount: eur(250), Total: eur(250)},
		},
		Etag: "v2", Subtotal: eur(2250), Total: eur(2250),
	}
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
	_, err = client.SetItem(rpctest.As(t.Context(), "ada"), &cartv1.SetItemRequest{Sku: "A"})
	rpctest.Refused(t, "no quantity said", err, connect.CodeInvalidArgument, "QUANTITY_INVALID")
	kept, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
	if diff := cmp.Diff(want, kept.GetCart(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	other, err := client.GetCart(rpctest.As(t.Context(), "eve"), &cartv1.GetCartRequest{})
	if err != nil || len(other.GetCart().GetItems()) != 0 {
		t.Errorf("another user's cart is %v, %v", other.GetCart(), err)
	}
}

// Whatever happens to the goods, the cart says what happened and still adds up.
func TestCartSaysWhatBecameOfItsItems(t *testing.T) {
	t.Parallel()
	client := serve(t)
	for sku, quantity := range map[string]int32{"A": 5, "C": 1} {
		if _, err := client.SetItem(rpctest.As(t.Context(), "ada"), &cartv1.SetItemRequest{Sku: sku, Quantity: &quantity}); err != nil {
			t.Fatal(err)
		}
	}
	withdrawn := tea(900)
	withdrawn.Active = false
	for _, step := range []struct {
		product catalog.Product
		want    *cartv1.Cart
	}{
		{tea(900), &cartv1.Cart{
			Items: []*cartv1.Item{
				{VariantId: "A", Sku: "A", Quantity: 5, Title: "Tea · Large", UnitPrice: eur(900), PreviousUnitPrice: eur(1000), Amount: eur(4500), Total: eur(3600)},
				{VariantId: "C", Sku: "C", Quantity: 1, Unavailable: cartv1.Unavailable_UNAVAILABLE_NO_PRICE},
			},
			Adjustments: []*checkoutv1.Adjustment{{Source: "promotion/fourth", Kind: "discount", Sku: "A", Amount: eur(-900)}},
			Etag:        "v2", Subtotal: eur(4500), Total: eur(3600),
		}},
		{withdrawn, &cartv1.Cart{
			Items: []*cartv1.Item{
				{VariantId: "A", Sku: "A", Quantity: 5, Unavailable: cartv1.Unavailable_UNAVAILABLE_NOT_SOLD},
				{VariantId: "C", Sku: "C", Quantity: 1, Unavailable: cartv1.Unavailable_UNAVAILABLE_NOT_SOLD},
			},
			Etag: "v2", Subtotal: eur(0), Total: eur(0),
		}},
	} {
		if _, err := client.products.Put(t.Context(), []catalog.Product{step.product}); err != nil {
			t.Fatal(err)
		}
		got, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
		if diff := cmp.Diff(step.want, got.GetCart(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// TestSKUThatChanges gives what is in a cart another SKU: it is the same item, under every SKU that it had and by its id.
func TestSKUThatChanges(t *testing.T) {
	t.Parallel()
	client := serve(t)
	set := func(r *cartv1.SetItemRequest, units int32) *cartv1.Cart {
		t.Helper()
		r.Quantity = &units
		res, err := client.SetItem(rpctest.As(t.Context(), "ada"), r)
		if err != nil {
			t.Fatal(err)
		}
		return res.GetCart()
	}
	set(&cartv1.SetItemRequest{Sku: "A"}, 1)
	for _, sku := range []string{"A-2", "A-3"} {
		changed := tea(1000)
		changed.Variants[0].SKU = sku
		if _, err := client.products.Put(t.Context(), []catalog.Product{changed}); err != nil {
			t.Fatal(err)
		}
	}
	want := &cartv1.Item{VariantId: "A", Sku: "A-3", Title: "Tea · Large", UnitPrice: eur(1000)}
	for i, r := range []*cartv1.SetItemRequest{{Sku: "A-3"}, {Sku: "A-2"}, {Sku: "A"}, {VariantId: "A"}} {
		units := int32(i + 1)
		want.Quantity, want.Amount, want.Total = units, eur(1000*int64(units)), eur(1000*int64(units-units/4))
		got := set(r, units)
		if diff := cmp.Diff([]*cartv1.Item{want}, got.GetItems(), protocmp.Transform()); diff != "" {
			t.Errorf("%v:\n%s", r, diff)
		}
	}
	if c := set(&cartv1.SetItemRequest{Sku: "A-2"}, 0); len(c.GetItems()) != 0 {
		t.Errorf("left is %v", c)
	}
}

// A cart follows its account's currency at once, whatever the access token says: the same quote in the other currency, and
// nothing of it is lost.
func TestCartInAnotherCurrency(t *testing.T) {
	t.Parallel()
	client := serve(t)
	accounts := accountsql.New(client.db)
	err := accounts.Create(t.Context(), []byte("ada"), nil, account.Account{ID: "usr_eu1_ada", Home: "eu-west-1", Currency: "EUR", CreatedAt: time.Now()}, "hash")
	if err != nil {
		t.Fatal(err)
	}
	set := func(sku string, quantity int32) {
		t.Helper()
		if _, err := client.SetItem(rpctest.As(t.Context(), "ada"), &cartv1.SetItemRequest{Sku: sku, Quantity: &quantity}); err != nil {
			t.Fatal(err)
		}
	}
	set("A", 2)
	set("C", 5)
	inEUR := &cartv1.Cart{
		Items: []*cartv1.Item{
			{VariantId: "A", Sku: "A", Quantity: 2, Title: "Tea · Large", UnitPrice: eur(1000), Amount: eur(2000), Total: eur(2000)},
			{VariantId: "C", Sku: "C", Quantity: 5, Unavailable: cartv1.Unavailable_UNAVAILABLE_NO_PRICE},
		},
		Etag: "v2", Subtotal: eur(2000), Total: eur(2000),
	}
	inUSD := &cartv1.Cart{
		Items: []*cartv1.Item{
			{VariantId: "A", Sku: "A", Quantity: 2, Unavailable: cartv1.Unavailable_UNAVAILABLE_NO_PRICE},
			{VariantId: "C", Sku: "C", Quantity: 5, Title: "Tea", UnitPrice: usd(99), Amount: usd(495), Total: usd(396)},
		},
		Adjustments: []*checkoutv1.Adjustment{{Source: "promotion/fourth", Kind: "discount", Sku: "C", Amount: usd(-99)}},
		Etag:        "v3", Subtotal: usd(495), Total: usd(396),
	}
	back := proto.CloneOf(inEUR)
	back.Etag = "v4"
	for _, step := range []struct {
		currency money.Currency
		want     *cartv1.Cart
	}{{"EUR", inEUR}, {"USD", inUSD}, {"USD", inUSD}, {"EUR", back}} {
		if _, err := accounts.SetCurrency(t.Context(), "eu-west-1", "usr_eu1_ada", step.currency); err != nil {
			t.Fatal(err)
		}
		got, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
		if diff := cmp.Diff(step.want, got.GetCart(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("in %s: %v\n%s", step.currency, err, diff)
		}
	}
}

// What is put into a cart is remembered at its price in the cart's own currency, which an older access token does not name.
func TestPriceSeenInTheCartsCurrency(t *testing.T) {
	t.Parallel()
	client := serve(t)
	accounts := accountsql.New(client.db)
	err := accounts.Create(t.Context(), []byte("ada"), nil, account.Account{ID: "usr_eu1_ada", Home: "eu-west-1", Currency: "EUR", CreatedAt: time.Now()}, "hash")
	if err == nil {
		_, err = accounts.SetCurrency(t.Context(), "eu-west-1", "usr_eu1_ada", "USD")
	}
	if err != nil {
		t.Fatal(err)
	}
	product := tea(1000)
	product.Variants = append(product.Variants, catalog.Variant{SKU: "D", Title: "Tin", Prices: []money.Money{{Minor: 400, Currency: "EUR"}, {Currency: "USD"}}})
	for _, step := range []struct {
		costs int64                  // D, in dollars
		set   *cartv1.SetItemRequest // nil: the cart is only read
		want  *cartv1.Item
	}{
		{500, &cartv1.SetItemRequest{Sku: "D", Quantity: proto.Int32(1)}, &cartv1.Item{UnitPrice: usd(500)}},
		{700, nil, &cartv1.Item{UnitPrice: usd(700), PreviousUnitPrice: usd(500)}},
		{700, &cartv1.SetItemRequest{VariantId: "D", Quantity: proto.Int32(2)}, &cartv1.Item{UnitPrice: usd(700)}},
		{900, nil, &cartv1.Item{UnitPrice: usd(900), PreviousUnitPrice: usd(700)}},
	} {
		product.Variants[3].Prices[1].Minor = step.costs
		if _, err := client.products.Put(t.Context(), []catalog.Product{product}); err != nil {
			t.Fatal(err)
		}
		if step.set != nil {
			if _, err := client.SetItem(rpctest.As(t.Context(), "ada"), step.set); err != nil {
				t.Fatal(err)
			}
		}
		got, err := client.GetCart(rpctest.As(t.Context(), "ada"), &cartv1.GetCartRequest{})
		if err != nil || len(got.GetCart().GetItems()) != 1 {
			t.Fatal(got, err)
		}
		item := got.GetCart().GetItems()[0]
		seen := &cartv1.Item{UnitPrice: item.GetUnitPrice(), PreviousUnitPrice: item.GetPreviousUnitPrice()}
		if diff := cmp.Diff(step.want, seen, protocmp.Transform()); diff != "" {
			t.Errorf("at %d, %v:\n%s", step.costs, step.set, diff)
		}
	}
}

func TestNobodyHasACart(t *testing.T) {
	t.Parallel()
	client := serve(t)
	_, err := client.GetCart(t.Context(), &cartv1.GetCartRequest{})
	rpctest.Refused(t, "GetCart", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.SetItem(t.Context(), &cartv1.SetItemRequest{Sku: "A", Quantity: proto.Int32(1)})
	rpctest.Refused(t, "SetItem", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.AddPromotionCode(t.Context(), &cartv1.AddPromotionCodeRequest{Code: "WELCOME"})
	rpctest.Refused(t, "AddPromotionCode", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.RemovePromotionCode(t.Context(), &cartv1.RemovePromotionCodeRequest{Code: "WELCOME"})
	rpctest.Refused(t, "RemovePromotionCode", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = client.SetItem(rpctest.As(t.Context(), "forged"), &cartv1.SetItemRequest{Sku: "A", Quantity: proto.Int32(1)})
	rpctest.Refused(t, "SetItem", err, connect.CodeUnauthenticated, "TOKEN_INVALID")
}

func TestGet(t *testing.T) {
	t.Parallel()
	s := serve(t).server
	// The encoder puts in a space now and then, so that nobody relies on its bytes.
	if status, _, body := rpctest.Get(t, s, cartv1connect.CartServiceGetCartProcedure, "{}", "ada"); status != http.StatusOK || strings.ReplaceAll(body, " ", "") != `{"cart":{"etag":"v0","subtotal":{"currency":"EUR"},"total":{"currency":"EUR"}}}` {
		t.Errorf("status %d, body %s", status, body)
	}
	if status, _, body := rpctest.Get(t, s, cartv1connect.CartServiceGetCartProcedure, "{}", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d, body %s", status, body)
	}
	if status, _, _ := rpctest.Get(t, s, cartv1connect.CartServiceSetItemProcedure, `{"sku":"A","quantity":1}`, "ada"); status != http.StatusMethodNotAllowed {
		t.Errorf("a change by GET: status %d", status)
	}
}

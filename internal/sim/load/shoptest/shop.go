// Package shoptest is a shop in memory, for tests of the load, the checker and the drill: it answers the
// Connect services that shoppers use, keeps its promises by default, and can be told to break one.
package shoptest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// A Bug is a promise that a Shop breaks.
type Bug string

// The bugs. Each strikes the fifth order and some after it.
const (
	ForgetsOrders   Bug = "forgets orders"       // acknowledges without keeping
	IgnoresKeys     Bug = "ignores keys"         // a replay places again
	ChangesAnswers  Bug = "changes answers"      // a replay answers with the order as it is now
	KeepsRefused    Bug = "keeps refused orders" // answers 503 and keeps the order
	CapturesTwice   Bug = "captures twice"
	CapturesNothing Bug = "captures nothing"
	ForgetsEvents   Bug = "forgets events" // an order stays pending
	ServesOldCarts  Bug = "serves old carts"
	KeepsCarts      Bug = "keeps carts" // an order does not empty the cart
	GoesBack        Bug = "goes back"   // an order's version shrinks once
	SharesKeys      Bug = "shares keys"
	ShowsOrders     Bug = "shows orders" // to whoever asks
	RefusesOrders   Bug = "refuses orders"
)

// Shop is the fake. It is safe for concurrent use.
type Shop struct {
	Bug Bug
	// Before, if set, runs before every request; its error is the answer, its time the latency.
	Before func(context.Context, *http.Request) error
	// Token is how long access tokens live; 0 means an hour.
	Token time.Duration

	once    sync.Once
	catalog *regions.Set

	mu     sync.Mutex
	users  []*user
	orders []*order
	asked  int // for orders
}

type user struct {
	email   string
	name    string
	proto   *accountv1.Account
	cart    map[string]int32
	before  map[string]int32 // the cart before its last change
	version int64            // of the cart
}

// Home is where the rows of a token's account are; "" without one.
func (s *Shop) Home(token string) regions.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.proto.GetId() == token {
			return regions.Name(u.proto.GetHomeRegion())
		}
	}
	return ""
}

// CartVersions counts the changes of each user's cart.
func (s *Shop) CartVersions() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int64{}
	for _, u := range s.users {
		out[u.proto.GetId()] = u.version
	}
	return out
}

// Names counts the accounts under each name.
func (s *Shop) Names() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, u := range s.users {
		out[u.name]++
	}
	return out
}

// Caller implements load.Access: every city reaches this shop at once.
func (s *Shop) Caller(city string, address netip.Addr) (http.RoundTripper, error) {
	for _, c := range internet.Cities() {
		if c.Place.City == city {
			return &wire{shop: s.handler(), entry: s.regionOf(c.Place.Country), city: c, address: address, before: s.Before}, nil
		}
	}
	return nil, fmt.Errorf("shoptest: no city %q", city)
}

// Nearest implements load.Access: the region that the city's country is assigned to.
func (s *Shop) Nearest(city string) regions.Name {
	for _, c := range internet.Cities() {
		if c.Place.City == city {
			return s.regionOf(c.Place.Country)
		}
	}
	return ""
}

func (s *Shop) regionOf(country string) regions.Name {
	s.once.Do(func() { s.catalog = regions.Default() })
	r, _ := s.catalog.Prefers(country)
	return r
}

// Facts returns what the shop and its payment provider keep.
func (s *Shop) Facts() check.Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	var f check.Facts
	for i, o := range s.orders {
		if o.forgotten {
			continue
		}
		o.advance(time.Now().Add(time.Hour)) // as after the settling time
		f.Orders = append(f.Orders, check.Order{
			ID: o.id, User: o.user, Home: o.home, Key: o.key, State: o.state(), Version: o.version, Total: o.total(), Currency: "USD",
		})
		p := check.Payment{ID: "pay" + strconv.Itoa(i), Order: o.id, State: "captured", Amount: o.total(), Currency: "USD"}
		for range o.captures {
			p.Captures = append(p.Captures, check.Capture{ID: "cap", Amount: o.total()})
		}
		f.Payments = append(f.Payments, p)
	}
	return f
}

func (s *Shop) handler() http.Handler {
	mux := http.NewServeMux()
	plain := connect.WithCompressMinBytes(1 << 20)
	mux.Handle(accountv1connect.NewAccountServiceHandler(accounts{shop: s}, plain))
	mux.Handle(catalogv1connect.NewCatalogServiceHandler(products{}, plain))
	mux.Handle(cartv1connect.NewCartServiceHandler(carts{shop: s}, plain))
	mux.Handle(orderv1connect.NewOrderServiceHandler(orders{shop: s}, plain))
	return mux
}

// wire is an http.RoundTripper that runs the shop in place of a network.
type wire struct {
	shop    http.Handler
	entry   regions.Name
	city    internet.City
	address netip.Addr
	before  func(context.Context, *http.Request) error
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	started := time.Now()
	in := req.Clone(req.Context())
	in.Header.Set("CF-IPCountry", w.city.Place.Country)
	if w.before != nil {
		if err := w.before(req.Context(), in); err != nil {
			return nil, err
		}
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	w.shop.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = req
	// On the answer, because the recorder's header is the handler's, and was sent with the first byte of the body.
	resp.Header.Set("Meridian-Edge-Region", string(w.entry))
	resp.Header.Set("Server-Timing", fmt.Sprintf("edge;dur=%.3f, app;dur=0.1", float64(time.Since(started))/1e6))
	return resp, nil
}

func refuse(code connect.Code, reason string) error {
	err := connect.NewError(code, errors.New(reason))
	detail, _ := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason, Domain: "meridian"})
	err.AddDetail(detail)
	return err
}

// caller returns who calls; the shop's lock is held.
func (s *Shop) caller(ctx context.Context) (*user, error) {
	info, _ := connect.CallInfoForHandlerContext(ctx)
	token := strings.TrimPrefix(info.RequestHeader().Get("Authorization"), "Bearer ")
	for _, u := range s.users {
		if u.proto.GetId() == token {
			return u, nil
		}
	}
	return nil, refuse(connect.CodeUnauthenticated, "TOKEN_MISSING")
}

type accounts struct {
	accountv1connect.UnimplementedAccountServiceHandler
	shop *Shop
}

func (s *Shop) expiry() *timestamppb.Timestamp {
	life := s.Token
	if life == 0 {
		life = time.Hour
	}
	return timestamppb.New(time.Now().Add(life))
}

func (a accounts) SignUp(ctx context.Context, req *accountv1.SignUpRequest) (*accountv1.SignUpResponse, error) {
	a.shop.mu.Lock()
	defer a.shop.mu.Unlock()
	if slices.ContainsFunc(a.shop.users, func(u *user) bool { return u.email == req.GetEmail() }) {
		return nil, refuse(connect.CodeAlreadyExists, "EMAIL_TAKEN")
	}
	info, _ := connect.CallInfoForHandlerContext(ctx)
	home := a.shop.regionOf(info.RequestHeader().Get("CF-IPCountry"))
	u := &user{email: req.GetEmail(), name: req.GetDisplayName(), cart: map[string]int32{}, proto: &accountv1.Account{
		Id: "usr" + strconv.Itoa(len(a.shop.users)), HomeRegion: string(home), Currency: req.GetCurrency(),
	}}
	a.shop.users = append(a.shop.users, u)
	return &accountv1.SignUpResponse{Account: u.proto, AccessToken: u.proto.GetId(), AccessTokenExpireTime: a.shop.expiry()}, nil
}

func (a accounts) SignIn(_ context.Context, req *accountv1.SignInRequest) (*accountv1.SignInResponse, error) {
	a.shop.mu.Lock()
	defer a.shop.mu.Unlock()
	for _, u := range a.shop.users {
		if u.email == req.GetEmail() {
			return &accountv1.SignInResponse{Account: u.proto, AccessToken: u.proto.GetId(), AccessTokenExpireTime: a.shop.expiry()}, nil
		}
	}
	return nil, refuse(connect.CodeUnauthenticated, "CREDENTIALS_WRONG")
}

type products struct {
	catalogv1connect.UnimplementedCatalogServiceHandler
}

func (products) ListProducts(_ context.Context, req *catalogv1.ListProductsRequest) (*catalogv1.ListProductsResponse, error) {
	from, _ := strconv.Atoi(req.GetPageToken())
	out := &catalogv1.ListProductsResponse{NextPageToken: strconv.Itoa(from + 10)}
	if from >= 20 {
		out.NextPageToken = ""
	}
	for i := from; i < from+10; i++ {
		out.Products = append(out.Products, product(i))
	}
	return out, nil
}

func (products) GetProduct(context.Context, *catalogv1.GetProductRequest) (*catalogv1.GetProductResponse, error) {
	return &catalogv1.GetProductResponse{Product: product(1)}, nil
}

func (products) SearchProducts(context.Context, *catalogv1.SearchProductsRequest) (*catalogv1.SearchProductsResponse, error) {
	return &catalogv1.SearchProductsResponse{Products: []*catalogv1.Product{product(1)}}, nil
}

func product(i int) *catalogv1.Product {
	var prices []*moneyv1.Money
	for _, currency := range []string{"USD", "EUR"} {
		prices = append(prices, &moneyv1.Money{MinorUnits: price, Currency: currency})
	}
	return &catalogv1.Product{
		Handle: fmt.Sprintf("thing-%02d", i), Title: "A remarkable thing",
		Variants: []*catalogv1.Variant{{Sku: fmt.Sprintf("SKU %02d", i), Prices: prices}},
	}
}

type carts struct {
	cartv1connect.UnimplementedCartServiceHandler
	shop *Shop
}

func (c carts) GetCart(ctx context.Context, _ *cartv1.GetCartRequest) (*cartv1.GetCartResponse, error) {
	c.shop.mu.Lock()
	defer c.shop.mu.Unlock()
	u, err := c.shop.caller(ctx)
	if err != nil {
		return nil, err
	}
	if c.shop.Bug == ServesOldCarts {
		return &cartv1.GetCartResponse{Cart: cartProto(u.before, u.version)}, nil
	}
	return &cartv1.GetCartResponse{Cart: cartProto(u.cart, u.version)}, nil
}

func (c carts) SetItem(ctx context.Context, req *cartv1.SetItemRequest) (*cartv1.SetItemResponse, error) {
	c.shop.mu.Lock()
	defer c.shop.mu.Unlock()
	u, err := c.shop.caller(ctx)
	if err != nil {
		return nil, err
	}
	u.before = maps.Clone(u.cart)
	u.cart[req.GetSku()] = req.GetQuantity()
	maps.DeleteFunc(u.cart, func(_ string, units int32) bool { return units == 0 })
	u.version++
	return &cartv1.SetItemResponse{Cart: cartProto(u.cart, u.version)}, nil
}

func cartProto(m map[string]int32, version int64) *cartv1.Cart {
	out := &cartv1.Cart{Etag: "v" + strconv.FormatInt(version, 10)}
	for _, sku := range slices.Sorted(maps.Keys(m)) {
		out.Items = append(out.Items, &cartv1.Item{Sku: sku, Quantity: m[sku]})
	}
	return out
}

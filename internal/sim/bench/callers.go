package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
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
	"github.com/meridian-commerce/meridian/internal/capacity"
)

const (
	currency = "EUR"
	password = "correct horse battery"
)

// callers ask an edge for one kind of request at a time. They are used by several goroutines.
type callers struct {
	account accountv1connect.AccountServiceClient
	catalog catalogv1connect.CatalogServiceClient
	cart    cartv1connect.CartServiceClient
	order   orderv1connect.OrderServiceClient

	run      string
	received atomic.Int64 // bytes from the edge
	address  atomic.Uint32

	handles, words, skus []string

	mu     sync.Mutex
	people []*person
	orders []placed
}

// person is an account.
type person struct{ email, token string }

// placed is an order of somebody's.
type placed struct {
	by *person
	id string
}

func newCallers(base string) *callers {
	c := &callers{run: fmt.Sprintf("bench-%x", time.Now().UnixMilli())}
	dial := (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return counted{conn, &c.received}, err
	}}
	client, get := &http.Client{Transport: stamped{transport, c}, Timeout: 20 * time.Second}, connect.WithHTTPGet()
	c.account = accountv1connect.NewAccountServiceClient(client, base, get)
	c.catalog = catalogv1connect.NewCatalogServiceClient(client, base, get)
	c.cart = cartv1connect.NewCartServiceClient(client, base, get)
	c.order = orderv1connect.NewOrderServiceClient(client, base, get)
	return c
}

// counted counts what is read from a connection.
type counted struct {
	net.Conn
	n *atomic.Int64
}

// Read implements net.Conn.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// stamped gives each request an address of its own, as a content delivery network would pass it on, so that no
// limit of an address's requests counts.
type stamped struct {
	next http.RoundTripper
	c    *callers
}

// RoundTrip implements http.RoundTripper.
func (s stamped) RoundTrip(r *http.Request) (*http.Response, error) {
	n := s.c.address.Add(1)
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{86, byte(40 + n>>16), byte(n >> 8), byte(n)}).String())
	r.Header.Set("CF-IPCountry", "IE")
	return s.next.RoundTrip(r)
}

// look reads what is sold.
func (c *callers) look(ctx context.Context) error {
	request := &catalogv1.ListProductsRequest{PageSize: 100}
	for {
		page, err := c.catalog.ListProducts(ctx, request)
		if err != nil {
			return fmt.Errorf("bench: list products: %w", err)
		}
		for _, p := range page.GetProducts() {
			c.handles = append(c.handles, p.GetHandle())
			c.words = append(c.words, p.GetTitle())
			for _, v := range p.GetVariants() {
				for _, price := range v.GetPrices() {
					if price.GetCurrency() == currency {
						c.skus = append(c.skus, v.GetSku())
					}
				}
			}
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if len(c.skus) == 0 {
		return errors.New("bench: nothing is sold; seed the catalog first")
	}
	return nil
}

// as returns a context whose request is a person's.
func as(ctx context.Context, p *person) (context.Context, http.Header) {
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("Authorization", "Bearer "+p.token)
	return ctx, info.RequestHeader()
}

func (c *callers) signUp(ctx context.Context, n int, _ *rand.Rand) error {
	p := &person{email: fmt.Sprintf("%s-%d@example.com", c.run, n)}
	answer, err := c.account.SignUp(ctx, &accountv1.SignUpRequest{Email: p.email, Password: password, DisplayName: "Bench", Currency: currency})
	if err != nil {
		return err
	}
	p.token = answer.GetAccessToken()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = append(c.people, p)
	return nil
}

func (c *callers) signIn(ctx context.Context, n int, _ *rand.Rand) error {
	_, err := c.account.SignIn(ctx, &accountv1.SignInRequest{Email: c.people[n%len(c.people)].email, Password: password})
	return err
}

func (c *callers) listProducts(ctx context.Context, _ int, _ *rand.Rand) error {
	_, err := c.catalog.ListProducts(ctx, &catalogv1.ListProductsRequest{PageSize: 20})
	return err
}

func (c *callers) getProduct(ctx context.Context, _ int, rng *rand.Rand) error {
	_, err := c.catalog.GetProduct(ctx, &catalogv1.GetProductRequest{Handle: c.handles[rng.IntN(len(c.handles))]})
	return err
}

func (c *callers) searchProducts(ctx context.Context, _ int, rng *rand.Rand) error {
	_, err := c.catalog.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: longestWord(c.words[rng.IntN(len(c.words))])})
	return err
}

func (c *callers) getCart(ctx context.Context, n int, _ *rand.Rand) error {
	ctx, _ = as(ctx, c.people[n%len(c.people)])
	_, err := c.cart.GetCart(ctx, &cartv1.GetCartRequest{})
	return err
}

func (c *callers) setItem(ctx context.Context, n int, rng *rand.Rand) error {
	ctx, _ = as(ctx, c.people[n%len(c.people)])
	_, err := c.cart.SetItem(ctx, &cartv1.SetItemRequest{Sku: c.skus[rng.IntN(len(c.skus))], Quantity: int32(1 + rng.IntN(2))})
	return err
}

// empty takes everything out of everybody's cart.
func (c *callers) empty(ctx context.Context) error {
	for _, p := range c.people {
		read, _ := as(ctx, p)
		cart, err := c.cart.GetCart(read, &cartv1.GetCartRequest{})
		if err != nil {
			return fmt.Errorf("bench: read a cart: %w", err)
		}
		for _, item := range cart.GetCart().GetItems() {
			write, _ := as(ctx, p)
			if _, err := c.cart.SetItem(write, &cartv1.SetItemRequest{Sku: item.GetSku()}); err != nil {
				return fmt.Errorf("bench: empty a cart: %w", err)
			}
		}
	}
	return nil
}

// itemsOf is how many items the n-th order has: one and two in turns, as the load generator's have on average.
func itemsOf(n int) int { return 1 + n%2 }

// placeOrder fills the cart of a person who does nothing else meanwhile, and orders it.
func (c *callers) placeOrder(ctx context.Context, n int, rng *rand.Rand) error {
	p := c.people[n%len(c.people)]
	first := rng.IntN(len(c.skus))
	for i := range itemsOf(n) {
		ctx, _ := as(ctx, p)
		sku := c.skus[(first+i*len(c.skus)/2)%len(c.skus)]
		if _, err := c.cart.SetItem(ctx, &cartv1.SetItemRequest{Sku: sku, Quantity: 1}); err != nil {
			return fmt.Errorf("fill the cart: %w", err)
		}
	}
	ctx, header := as(ctx, p)
	header.Set("Idempotency-Key", fmt.Sprintf("%s-%d", c.run, n))
	answer, err := c.order.PlaceOrder(ctx, &orderv1.PlaceOrderRequest{})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, placed{p, answer.GetOrder().GetId()})
	return nil
}

func (c *callers) getOrder(ctx context.Context, n int, _ *rand.Rand) error {
	o := c.orders[n%len(c.orders)]
	ctx, _ = as(ctx, o.by)
	_, err := c.order.GetOrder(ctx, &orderv1.GetOrderRequest{Id: o.id})
	return err
}

// watchOrder watches an order that is fulfilled, so that the stream ends after one message.
func (c *callers) watchOrder(ctx context.Context, n int, _ *rand.Rand) error {
	o := c.orders[n%len(c.orders)]
	ctx, _ = as(ctx, o.by)
	stream, err := c.order.WatchOrder(ctx, &orderv1.WatchOrderRequest{Id: o.id})
	if err != nil {
		return err
	}
	for stream.Receive() {
	}
	return errors.Join(stream.Err(), stream.Close())
}

// ask returns how to make one request of a kind.
func (c *callers) ask(kind capacity.Request) func(context.Context, int, *rand.Rand) error {
	return map[capacity.Request]func(context.Context, int, *rand.Rand) error{
		capacity.SignUp: c.signUp, capacity.SignIn: c.signIn,
		capacity.ListProducts: c.listProducts, capacity.GetProduct: c.getProduct, capacity.SearchProducts: c.searchProducts,
		capacity.GetCart: c.getCart, capacity.SetItem: c.setItem, capacity.PlaceOrder: c.placeOrder,
		capacity.GetOrder: c.getOrder, capacity.WatchOrder: c.watchOrder,
	}[kind]
}

// longestWord returns the longest word of a title, as the load generator searches for.
func longestWord(title string) string {
	word, longest := "", ""
	for _, r := range title + " " {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			word += string(r)
			continue
		}
		if len(word) > len(longest) {
			longest = word
		}
		word = ""
	}
	return longest
}

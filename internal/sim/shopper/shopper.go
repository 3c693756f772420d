// Package shopper is a caller of the shop: one place, perhaps one account, and whatever can be asked for. Each request
// becomes an Op that says what the caller asked, was told, and may conclude. Load, probes and meters all ask through it,
// so that what counts as served, refused or unknown is decided once.
package shopper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/regions"
)

// Origin is what shoppers type; the modeled Internet resolves it.
const Origin = "http://shop.meridian.example"

// Patience is how long a shopper waits for an answer before giving up on it.
const Patience = 10 * time.Second

// Shopper is one caller. It is safe for concurrent use, as a person with two tabs is; its exported fields are set before.
type Shopper struct {
	Number   int              // tells it from others in a history
	City     string           // where it sits
	Nearest  regions.Name     // whose edge is nearest to that
	History  *history.History // takes every Op; nil: none does
	Patience time.Duration    // 0: Patience

	account accountv1connect.AccountServiceClient
	catalog catalogv1connect.CatalogServiceClient
	cart    cartv1connect.CartServiceClient
	order   orderv1connect.OrderServiceClient

	mu      sync.Mutex
	id      string
	home    regions.Name
	token   string
	expires time.Time
}

// New returns a shopper without an account who reaches the shop at an origin through rt.
func New(rt http.RoundTripper, origin string) *Shopper {
	c := &http.Client{Transport: rt}
	get := connect.WithHTTPGet() // reads are cacheable
	return &Shopper{
		account: accountv1connect.NewAccountServiceClient(c, origin, get),
		catalog: catalogv1connect.NewCatalogServiceClient(c, origin, get),
		cart:    cartv1connect.NewCartServiceClient(c, origin, get),
		order:   orderv1connect.NewOrderServiceClient(c, origin, get),
	}
}

// As returns a caller who sits where this one does, and has another one's account and number.
func (s *Shopper) As(other *Shopper) *Shopper {
	other.mu.Lock()
	defer other.mu.Unlock()
	return &Shopper{
		Number: other.Number, City: s.City, Nearest: s.Nearest, History: s.History, Patience: s.Patience,
		account: s.account, catalog: s.catalog, cart: s.cart, order: s.order,
		id: other.id, home: other.home, token: other.token, expires: other.expires,
	}
}

// Home is where the account's rows are; "" without one.
func (s *Shopper) Home() regions.Name { s.mu.Lock(); defer s.mu.Unlock(); return s.home }

// ID is the account's id; "" without one.
func (s *Shopper) ID() string { s.mu.Lock(); defer s.mu.Unlock(); return s.id }

// Token is the access token; "" without an account.
func (s *Shopper) Token() string { s.mu.Lock(); defer s.mu.Unlock(); return s.token }

// Expires is when the access token does.
func (s *Shopper) Expires() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.expires }

// signedIn takes in an account and a fresh token.
func (s *Shopper) signedIn(account *accountv1.Account, token string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = account.GetId()
	s.home = regions.Name(account.GetHomeRegion())
	s.token = token
	s.expires = expires
}

// Request is something that can be asked for. Op comes with what is special about it, such as when it was meant to start
// or which attempt it is; a caller may add headers.
type Request struct {
	Op     history.Op
	Header http.Header
	send   func(ctx context.Context, s *Shopper, op *history.Op) error // fills in what was answered
}

// Ask makes one request and returns what came of it.
func (s *Shopper) Ask(ctx context.Context, r Request) history.Op {
	if r.Op.Kind != history.Watch { // a stream ends when its caller has seen enough
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmp.Or(s.Patience, Patience))
		defer cancel()
	}
	op := r.Op
	ctx, info := connect.NewClientContext(ctx)
	maps.Copy(info.RequestHeader(), r.Header)
	s.describe(&op, info.RequestHeader())
	err := r.send(ctx, s, &op)
	op.Returned = time.Now()
	op.Outcome, op.Code, op.Reason = history.Classify(err)
	if history.Unsent(err) && r.Header.Get("Idempotency-Key") == "" {
		op.Outcome = history.Fail // a cart that changed for unknown times by one that never set off could be anything
	}
	var heard http.Header
	if err == nil {
		heard = info.ResponseHeader()
	} else {
		op.Message = err.Error()
		if ce := new(connect.Error); errors.As(err, &ce) {
			heard = ce.Meta()
		}
	}
	hear(&op, heard)
	s.note(op)
	return op
}

func (s *Shopper) note(op history.Op) {
	if s.History != nil {
		s.History.Add(op)
	}
}

func (s *Shopper) describe(op *history.Op, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A token that has run out must not spoil the request that is to bring a fresh one.
	if s.token != "" && op.Kind != history.SignIn && op.Kind != history.SignUp {
		header.Set("Authorization", "Bearer "+s.token)
	}
	op.Client = s.Number
	op.User = s.id
	op.City = s.City
	op.Home = s.home
	op.Nearest = s.Nearest
	op.Attempt = max(op.Attempt, 1)
	op.Invoked = time.Now()
	if op.Intended.IsZero() {
		op.Intended = op.Invoked
	}
}

// hear takes in what an answer's headers tell about its way.
func hear(op *history.Op, h http.Header) {
	op.Entry = regions.Name(h.Get("Meridian-Edge-Region"))
	op.Served = regions.Name(h.Get("Meridian-Served-Region"))
	_, after, _ := strings.Cut(strings.Join(h.Values("Server-Timing"), ","), "edge;dur=")
	inside, _, _ := strings.Cut(after, ",")
	if ms, err := strconv.ParseFloat(inside, 64); err == nil {
		op.Edge = time.Duration(ms * float64(time.Millisecond))
	}
	if after, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		op.RetryAfter = time.Duration(after) * time.Second
	}
}

// Products reads all that is sold, page by page. It leaves no Op.
func (s *Shopper) Products(ctx context.Context) ([]*catalogv1.Product, error) {
	var all []*catalogv1.Product
	request := &catalogv1.ListProductsRequest{PageSize: 100}
	for {
		page, err := s.catalog.ListProducts(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("shopper: list products: %w", err)
		}
		all = append(all, page.GetProducts()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if len(all) == 0 {
		return nil, errors.New("shopper: nothing is sold; seed the catalog first")
	}
	return all, nil
}

// SKUs lists what of some products is sold in every one of some currencies. It is an error if nothing is.
func SKUs(products []*catalogv1.Product, currencies ...string) ([]string, error) {
	var out []string
	for _, p := range products {
		for _, v := range p.GetVariants() {
			sold := map[string]bool{}
			for _, price := range v.GetPrices() {
				sold[price.GetCurrency()] = true
			}
			if !slices.ContainsFunc(currencies, func(c string) bool { return !sold[c] }) {
				out = append(out, v.GetSku())
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("shopper: nothing is sold in all of %v; seed the catalog first", currencies)
	}
	return out, nil
}

// Spread gives each request an address of its own in Ireland, as a content delivery network would pass it on, so that no
// limit of one address's requests counts.
func Spread(next http.RoundTripper) http.RoundTripper { return &spread{next: next} }

type spread struct {
	next http.RoundTripper
	n    atomic.Uint32
}

// RoundTrip implements http.RoundTripper.
func (s *spread) RoundTrip(r *http.Request) (*http.Response, error) {
	n := s.n.Add(1)
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{86, byte(40 + n>>16), byte(n >> 8), byte(n)}).String())
	r.Header.Set("CF-IPCountry", "IE")
	return s.next.RoundTrip(r)
}

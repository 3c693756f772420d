package load

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// origin is what shoppers type; the internet resolves it.
const origin = "http://shop.meridian.example"

// clients are the services as one shopper reaches them.
type clients struct {
	account accountv1connect.AccountServiceClient
	catalog catalogv1connect.CatalogServiceClient
	cart    cartv1connect.CartServiceClient
	order   orderv1connect.OrderServiceClient
}

func newClients(rt http.RoundTripper) clients {
	c := &http.Client{Transport: rt}
	get := connect.WithHTTPGet() // reads are cacheable
	return clients{
		account: accountv1connect.NewAccountServiceClient(c, origin, get),
		catalog: catalogv1connect.NewCatalogServiceClient(c, origin, get),
		cart:    cartv1connect.NewCartServiceClient(c, origin, get),
		order:   orderv1connect.NewOrderServiceClient(c, origin, get),
	}
}

// shopper is one account and whoever uses it, perhaps in two tabs.
type shopper struct {
	clients
	history  *history.History
	store    *assortment
	number   int
	run      string
	city     internet.City
	nearest  regions.Name
	email    string
	password string

	carts sync.RWMutex // held for reading while editing the cart, for writing while checking out

	mu        sync.Mutex
	id        string
	home      regions.Name
	token     string
	refreshAt time.Time // zero while a refresh is under way
	orders    []string  // the latest, newest last
}

// signedIn takes in a fresh token, to be refreshed some time in the middle of its life, so that shoppers who
// signed up together do not come back together.
func (s *shopper) signedIn(account *accountv1.Account, token string, expires time.Time, rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.home, s.token = account.GetId(), regions.Name(account.GetHomeRegion()), token
	life := time.Until(expires)
	s.refreshAt = time.Now().Add(time.Duration((0.4 + 0.4*rng.Float64()) * float64(life)))
}

// refresh signs in again when the token nears its end.
func (s *shopper) refresh(ctx context.Context, rng *rand.Rand) {
	s.mu.Lock()
	due := !s.refreshAt.IsZero() && time.Now().After(s.refreshAt)
	if due {
		s.refreshAt = time.Time{}
	}
	s.mu.Unlock()
	if !due {
		return
	}
	var answer *accountv1.SignInResponse
	op := s.call(ctx, history.Op{Kind: history.SignIn}, nil, func(ctx context.Context, _ *history.Op) (err error) {
		answer, err = s.account.SignIn(ctx, &accountv1.SignInRequest{Email: s.email, Password: s.password})
		return err
	})
	if op.Outcome == history.OK {
		s.signedIn(answer.GetAccount(), answer.GetAccessToken(), answer.GetAccessTokenExpireTime().AsTime(), rng)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshAt = time.Now().Add(5 * time.Second)
}

func (s *shopper) remember(order string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders = append(s.orders, order); len(s.orders) > 5 {
		s.orders = s.orders[1:]
	}
}

func (s *shopper) anOrder(rng *rand.Rand) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.orders) == 0 {
		return "", false
	}
	return s.orders[rng.IntN(len(s.orders))], true
}

// patience is how long a shopper waits for an answer before giving up on it.
const patience = 10 * time.Second

// call makes one request and records it. The Op comes with what is special about it; do fills in the answer.
func (s *shopper) call(ctx context.Context, op history.Op, header http.Header, do func(context.Context, *history.Op) error) history.Op {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.record(waiting, op, header, do)
}

// record is call without a time-out of its own.
func (s *shopper) record(ctx context.Context, op history.Op, header http.Header, do func(context.Context, *history.Op) error) history.Op {
	var heard http.Header
	ctx, info := connect.NewClientContext(ctx)
	maps.Copy(info.RequestHeader(), header)
	s.describe(&op, info.RequestHeader())
	err := do(ctx, &op)
	op.Returned = time.Now()
	op.Outcome, op.Code, op.Reason = history.Classify(err)
	if err == nil {
		heard = info.ResponseHeader()
	} else {
		op.Message = err.Error()
		if ce := new(connect.Error); errors.As(err, &ce) {
			heard = ce.Meta()
		}
	}
	hear(&op, heard)
	s.history.Add(op)
	return op
}

func (s *shopper) describe(op *history.Op, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && op.Kind != history.SignIn && op.Kind != history.SignUp {
		header.Set("Authorization", "Bearer "+s.token)
	}
	op.Client, op.User, op.City, op.Home, op.Nearest = s.number, s.id, s.city.Place.City, s.home, s.nearest
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
	op.Edge = serverTiming(h.Values("Server-Timing"), "edge")
	if after, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		op.RetryAfter = time.Duration(after) * time.Second
	}
}

// serverTiming returns a metric's duration from Server-Timing headers; 0 if it is not there.
func serverTiming(values []string, metric string) time.Duration {
	for entry := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		if strings.TrimSpace(name) != metric {
			continue
		}
		for param := range strings.SplitSeq(params, ";") {
			if millis, ok := strings.CutPrefix(strings.TrimSpace(param), "dur="); ok {
				if ms, err := strconv.ParseFloat(millis, 64); err == nil {
					return time.Duration(ms * float64(time.Millisecond))
				}
			}
		}
	}
	return 0
}

package overload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	getProduct = "/meridian.catalog.v1.CatalogService/GetProduct?encoding=json&message=%7B%22handle%22%3A%22fishermans-rib-sweater%22%7D"
	setItem    = "/meridian.cart.v1.CartService/SetItem"
	placeOrder = "/meridian.order.v1.OrderService/PlaceOrder"
	signUp     = "/meridian.account.v1.AccountService/SignUp"

	listProducts = "/meridian.catalog.v1.CatalogService/ListProducts"

	currency = "EUR"
	patience = 10 * time.Second
	wanted   = time.Second            // an answer is of use for so long
	fillFor  = 8 * time.Second        // a cart may be refused while the region is overloaded; a shopper tries again
	fillWait = 100 * time.Millisecond // after a refusal
)

// kind is what a request is.
type kind string

const (
	kindBrowse kind = "browse"
	kindCart   kind = "cart"
	kindOrder  kind = "checkout"
)

// answer is what came of one request.
type answer struct {
	kind       kind
	start, end time.Time
	status     int // 0: none came
}

// useful reports a success that came while it was still wanted.
func (a answer) useful() bool { return a.status == http.StatusOK && a.end.Sub(a.start) <= wanted }

func (a answer) refused() bool {
	return a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests
}

// shop is an edge and its shoppers.
type shop struct {
	base   string
	run    string
	client *http.Client
	skus   []string    // sold in euros; many, because each has only so many units
	tokens chan string // of shoppers who do not order now
	caller atomic.Uint32
}

func newShop(base string, seed uint64) *shop {
	return &shop{
		base: base, run: fmt.Sprintf("overload-%d-%x", seed, time.Now().UnixMilli()),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}},
	}
}

// setUp looks at what is sold and signs shoppers up.
func (s *shop) setUp(ctx context.Context, shoppers int) error {
	var page struct {
		Products []struct {
			Variants []struct {
				Sku    string
				Prices []struct{ Currency string }
			}
		}
	}
	if a := s.post(ctx, kindBrowse, listProducts, "", "", map[string]int{"pageSize": 100}, &page); a.status != http.StatusOK {
		return fmt.Errorf("overload: list products: status %d", a.status)
	}
	for _, product := range page.Products {
		for _, v := range product.Variants {
			if slices.ContainsFunc(v.Prices, func(p struct{ Currency string }) bool { return p.Currency == currency }) {
				s.skus = append(s.skus, v.Sku)
			}
		}
	}
	if len(s.skus) == 0 {
		return errors.New("overload: nothing is sold; seed the catalog first")
	}
	s.tokens = make(chan string, shoppers)
	for i := range shoppers {
		var said struct{ AccessToken string }
		name := fmt.Sprintf("%s-%d", s.run, i)
		a := s.post(ctx, kindCart, signUp, "", "", map[string]string{
			"email": name + "@probe.example", "password": "correct horse battery", "displayName": name, "currency": currency,
		}, &said)
		if a.status != http.StatusOK {
			return fmt.Errorf("overload: sign up: status %d", a.status)
		}
		s.tokens <- said.AccessToken
	}
	return nil
}

func (s *shop) browse(ctx context.Context) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+getProduct, nil)
	if err != nil {
		return answer{kind: kindBrowse}
	}
	return s.do(req, kindBrowse, nil)
}

// checkout fills a cart, which may take several attempts, and orders it, once. A cart that stays empty is a failed
// checkout.
func (s *shop) checkout(ctx context.Context, number int, key string, note func(answer)) {
	var token string
	select {
	case token = <-s.tokens:
	default:
		return // every shopper is waiting
	}
	defer func() { s.tokens <- token }()
	item := map[string]any{"sku": s.skus[number%len(s.skus)], "quantity": 1}
	for deadline := time.Now().Add(fillFor); ; {
		a := s.post(ctx, kindCart, setItem, token, "", item, nil)
		note(a)
		if a.status == http.StatusOK {
			break
		}
		if ctx.Err() != nil {
			return
		}
		if time.Now().After(deadline) {
			// Who cannot fill a cart does not check out: else a region in which few get so far would seem to serve all.
			note(answer{kind: kindOrder, start: a.start, end: a.end})
			return
		}
		time.Sleep(fillWait)
	}
	note(s.post(ctx, kindOrder, placeOrder, token, key, struct{}{}, nil))
}

func (s *shop) post(ctx context.Context, k kind, path, token, key string, body, into any) answer {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{kind: k}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(text))
	if err != nil {
		return answer{kind: k}
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return s.do(req, k, into)
}

// do sends a request, each from another address, as a content delivery network would pass it on.
func (s *shop) do(req *http.Request, k kind, into any) answer {
	ctx, cancel := context.WithTimeout(req.Context(), patience)
	defer cancel()
	n := s.caller.Add(1)
	req.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{86, 44, byte(n >> 8), byte(n)}).String())
	req.Header.Set("CF-IPCountry", "IE")
	a := answer{kind: k, start: time.Now()}
	res, err := s.client.Do(req.WithContext(ctx))
	if a.end = time.Now(); err != nil {
		return a
	}
	defer func() { _ = res.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return a
	}
	if a.status = res.StatusCode; into != nil && a.status == http.StatusOK {
		_ = json.Unmarshal(text, into) // what is missing is noticed by who needs it
	}
	return a
}

// play is playFrom now, and returns when the time is over.
func (s *shop) play(ctx context.Context, seed uint64, d time.Duration, browse, orders float64) func() []answer {
	return s.playFrom(ctx, seed, time.Now(), d, browse, orders)
}

// playFrom sends so many requests a second, at random times, from a moment on, and returns when the time is over.
// The returned function waits for the last answer and returns all. Latencies of requests count from when they were
// to set off.
func (s *shop) playFrom(ctx context.Context, seed uint64, from time.Time, d time.Duration, browse, orders float64) func() []answer {
	rng := rand.New(rand.NewPCG(seed, 0x6f7665726c6f6164))
	var mu sync.Mutex
	var answers []answer
	var under sync.WaitGroup
	note := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, a)
	}
	clock := time.NewTimer(0)
	defer clock.Stop()
	due := from
	for n := 0; ; n++ {
		due = due.Add(time.Duration(rng.ExpFloat64() / (browse + orders) * float64(time.Second)))
		if due.Sub(from) > d {
			break
		}
		clock.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return func() []answer { under.Wait(); return answers }
		case <-clock.C:
		}
		if rng.Float64()*(browse+orders) < orders {
			key := s.run + "-" + strconv.FormatUint(seed, 10) + "-" + strconv.Itoa(n)
			under.Go(func() { s.checkout(ctx, n, key, note) })
		} else {
			under.Go(func() { note(s.browse(ctx)) })
		}
	}
	clock.Reset(time.Until(from.Add(d)))
	select {
	case <-ctx.Done():
	case <-clock.C:
	}
	return func() []answer { under.Wait(); return answers }
}

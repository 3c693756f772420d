package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	origin   = "http://shop.meridian.example" // what callers type; the internet resolves it
	patience = 8 * time.Second                // for an answer

	getProduct   = "/meridian.catalog.v1.CatalogService/GetProduct"
	listProducts = "/meridian.catalog.v1.CatalogService/ListProducts"
	getCart      = "/meridian.cart.v1.CartService/GetCart"
	setItem      = "/meridian.cart.v1.CartService/SetItem"
	placeOrder   = "/meridian.order.v1.OrderService/PlaceOrder"
	signUp       = "/meridian.account.v1.AccountService/SignUp"
)

// Access is how callers reach the system.
type Access interface {
	// Caller returns how a caller in a city, at an address, sends requests.
	Caller(city string, address netip.Addr) (http.RoundTripper, error)
	// Nearest returns the region whose edge is nearest to a city when all are announced.
	Nearest(city string) regions.Name
	// RTT returns the round trip between a city and a region's edge.
	RTT(city string, r regions.Name) time.Duration
}

// caller sends requests from one place, in Connect's JSON.
type caller struct{ client *http.Client }

func newCaller(rt http.RoundTripper) caller { return caller{&http.Client{Transport: rt}} }

// ask is one request.
type ask struct {
	path   string
	read   bool // sent as GET
	header http.Header
	token  string
	body   any
}

// answer is what came of an ask.
type answer struct {
	status int          // 0: none came
	code   string       // Connect's, of an error that says so itself
	entry  regions.Name // the edge's region
	served regions.Name
	err    error // why there is no answer, or a bad one
}

// ok reports success.
func (a answer) ok() bool { return a.err == nil && a.status == http.StatusOK }

// do sends a request and reads the answer into v, unless that is nil.
func (c caller) do(ctx context.Context, q ask, v any) answer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := q.request(ctx)
	if err != nil {
		return answer{err: err}
	}
	res, err := c.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }() // only read
	a := answer{
		status: res.StatusCode,
		entry:  regions.Name(res.Header.Get("Meridian-Edge-Region")), served: regions.Name(res.Header.Get("Meridian-Served-Region")),
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	switch {
	case err != nil:
		return answer{err: fmt.Errorf("matrix: read the answer: %w", err)}
	case res.StatusCode != http.StatusOK:
		var said struct{ Code string }
		_ = json.Unmarshal(text, &said) // not every error speaks JSON
		a.code, a.err = said.Code, fmt.Errorf("matrix: %s: %s %.200s", q.path, res.Status, text)
	case v != nil:
		a.err = json.Unmarshal(text, v)
	}
	return a
}

func (q ask) request(ctx context.Context) (*http.Request, error) {
	text, err := json.Marshal(q.body)
	if err != nil {
		return nil, fmt.Errorf("matrix: %w", err)
	}
	method, target, body := http.MethodPost, origin+q.path, io.Reader(bytes.NewReader(text))
	if q.read {
		method, body = http.MethodGet, http.NoBody
		target += "?" + url.Values{"encoding": {"json"}, "message": {string(text)}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("matrix: %w", err)
	}
	maps.Copy(req.Header, q.header)
	if !q.read {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	return req, nil
}

// user is an account.
type user struct {
	id, token string
	home      regions.Name
}

// signUp opens an account with an address that nobody has used.
func (c caller) signUp(ctx context.Context, name, currency string) (user, answer) {
	var said struct {
		AccessToken string
		Account     struct{ ID, HomeRegion string }
	}
	a := c.do(ctx, ask{path: signUp, body: map[string]string{
		"email": strings.ToLower(name) + "@probe.example", "password": "correct horse battery", "displayName": name, "currency": currency,
	}}, &said)
	return user{said.Account.ID, said.AccessToken, regions.Name(said.Account.HomeRegion)}, a
}

package edge

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// TestCallOf: who admission takes a caller for, in which region it looks for room, and that a request which passed
// Classified is looked at once.
func TestCallOf(t *testing.T) {
	t.Parallel()
	verifier := &countingTokens{}
	e, err := newEdge(Config{Regions: regions.Default(), Region: eu, TrustedProxies: []string{"10.0.0.0/8"}}, Deps{Tokens: verifier}, &fleet{})
	if err != nil {
		t.Fatal(err)
	}
	const list, cart, signUp = "/meridian.catalog.v1.CatalogService/ListProducts", "/meridian.cart.v1.CartService/GetCart", "/meridian.account.v1.AccountService/SignUp"
	for _, c := range []struct {
		name, method, peer, path, token, forwarded, pin, accept string

		address      string
		class        method.Class
		proxy, signs bool
		stream       bool
		region       regions.Name
	}{
		{name: "anonymous", peer: "192.0.2.1:5", path: list, address: "192.0.2.1", class: method.Browse, region: eu},
		{name: "browse", peer: "192.0.2.1:5", path: list, token: "home:ap-southeast-1", address: "192.0.2.1", class: method.Browse, signs: true, region: eu},
		{name: "home", peer: "192.0.2.1:5", path: cart, token: "home:ap-southeast-1", address: "192.0.2.1", class: method.Cart, signs: true, region: ap},
		{name: "bad token", peer: "192.0.2.1:5", path: cart, token: "forged", address: "192.0.2.1", class: method.Background, region: eu},
		{name: "order", peer: "192.0.2.1:5", path: place, token: "home:ap-southeast-1", address: "192.0.2.1", class: method.Checkout, signs: true, region: ap},
		{name: "garbage order", peer: "192.0.2.1:5", path: place, address: "192.0.2.1", class: method.Background, region: eu},
		{name: "sign-up", peer: "192.0.2.1:5", path: signUp, address: "192.0.2.1", class: method.Background, region: eu},
		{name: "pin", peer: "192.0.2.1:5", path: list, pin: "us-east-1", address: "192.0.2.1", class: method.Browse, region: us},
		{name: "id", method: http.MethodGet, peer: "192.0.2.1:5", path: "/v1/orders/ord_us1_aaaaaaaaaaaaaaaaaaaaaaaaaa/events", address: "192.0.2.1", class: method.Background, stream: true, region: us},
		{name: "events asked for", method: http.MethodGet, peer: "192.0.2.1:5", path: "/", accept: "text/event-stream", address: "192.0.2.1", class: method.Browse, stream: true, region: eu},
		{name: "proxied", peer: "10.1.2.3:5", path: list, forwarded: "203.0.113.9", address: "203.0.113.9", class: method.Browse, region: eu},
		{name: "forged", peer: "192.0.2.1:5", path: list, forwarded: "203.0.113.9", address: "192.0.2.1", class: method.Browse, region: eu},
		{name: "silent proxy", peer: "10.1.2.3:5", path: list, address: "10.1.2.3", class: method.Browse, proxy: true, region: eu},
	} {
		r := httptest.NewRequest(cmp.Or(c.method, http.MethodPost), c.path, nil)
		r.RemoteAddr = c.peer
		for name, value := range map[string]string{"X-Forwarded-For": c.forwarded, "Meridian-Region": c.pin, "Accept": c.accept} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		verifier.calls = 0
		var got Call
		e.Classified(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for range 3 { // as admission, the answer's headers and the edge do
				got = e.CallOf(r)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if got.Address != netip.MustParseAddr(c.address) || got.Method.Class != c.class || got.Proxy != c.proxy || (got.User != "") != c.signs || got.Region != c.region || got.Stream != c.stream {
			t.Errorf("%s: %+v, want %+v", c.name, got, c)
		}
		if c.token != "" && verifier.calls != 1 {
			t.Errorf("%s: the token was verified %d times", c.name, verifier.calls)
		}
	}
}

// countingTokens counts how often it is asked.
type countingTokens struct {
	tokens
	calls int
}

func (c *countingTokens) Verify(token string) (Claims, error) {
	c.calls++
	return c.tokens.Verify(token)
}

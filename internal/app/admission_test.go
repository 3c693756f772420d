package app

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// oneToken knows the token of one user.
type oneToken struct{}

func (oneToken) Verify(text string) (rpc.Caller, error) {
	if text != "good" {
		return rpc.Caller{}, fault.New(fault.Unauthenticated, "TOKEN_INVALID", "not the good one")
	}
	return rpc.Caller{UserID: "usr_ap1_x", Home: "ap-southeast-1"}, nil
}

// TestEdgeCallers: who admission takes a caller for, and in which region it looks for room.
func TestEdgeCallers(t *testing.T) {
	t.Parallel()
	methods, err := method.Linked()
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := geo.ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	callers := &edgeCallers{tokens: oneToken{}, trusted: trusted, catalog: regions.Default(), methods: methods, edge: "eu-west-1"}
	const list, cart, signUp = "/meridian.catalog.v1.CatalogService/ListProducts", "/meridian.cart.v1.CartService/GetCart", "/meridian.account.v1.AccountService/SignUp"
	for _, c := range []struct {
		name, method, peer, path, token, forwarded, pin string

		address string
		proxy   bool
		user    string
		region  regions.Name
	}{
		{name: "anonymous", peer: "192.0.2.1:5", path: list, address: "192.0.2.1", region: "eu-west-1"},
		{name: "browse", peer: "192.0.2.1:5", path: list, token: "good", address: "192.0.2.1", user: "usr_ap1_x", region: "eu-west-1"},
		{name: "home", peer: "192.0.2.1:5", path: cart, token: "good", address: "192.0.2.1", user: "usr_ap1_x", region: "ap-southeast-1"},
		{name: "bad token", peer: "192.0.2.1:5", path: cart, token: "forged", address: "192.0.2.1", region: "eu-west-1"},
		{name: "sign-up", peer: "192.0.2.1:5", path: signUp, address: "192.0.2.1", region: "eu-west-1"},
		{name: "pin", peer: "192.0.2.1:5", path: list, pin: "us-east-1", address: "192.0.2.1", region: "us-east-1"},
		{name: "id", method: http.MethodGet, peer: "192.0.2.1:5", path: "/v1/orders/ord_us1_aaaaaaaaaaaaaaaaaaaaaaaaaa/events", address: "192.0.2.1", region: "us-east-1"},
		{name: "proxied", peer: "10.1.2.3:5", path: list, forwarded: "203.0.113.9", address: "203.0.113.9", region: "eu-west-1"},
		{name: "forged", peer: "192.0.2.1:5", path: list, forwarded: "203.0.113.9", address: "192.0.2.1", region: "eu-west-1"},
		{name: "silent proxy", peer: "10.1.2.3:5", path: list, address: "10.1.2.3", proxy: true, region: "eu-west-1"},
	} {
		r := httptest.NewRequest(cmp.Or(c.method, http.MethodPost), c.path, nil)
		r.RemoteAddr = c.peer
		for name, value := range map[string]string{"Authorization": "Bearer " + c.token, "X-Forwarded-For": c.forwarded, "Meridian-Region": c.pin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		address, proxy := callers.Address(r)
		user, region := callers.User(r)
		if address != netip.MustParseAddr(c.address) || proxy != c.proxy || user != c.user || region != c.region {
			t.Errorf("%s: %s (proxy %t), user %q, region %s; want %s (%t), %q, %s", c.name, address, proxy, user, region, c.address, c.proxy, c.user, c.region)
		}
	}
}

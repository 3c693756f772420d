package edge

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	methodv1 "github.com/meridian-commerce/meridian/api/gen/meridian/method/v1"
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
		var got method.Call
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

// TestPublic: caches may share what anybody may read, and nothing that takes a caller or a role.
func TestPublic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	level := descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	for authentication, want := range map[methodv1.Authentication]bool{methodv1.Authentication_AUTHENTICATION_NONE: true, methodv1.Authentication_AUTHENTICATION_USER: false} {
		o := &descriptorpb.MethodOptions{IdempotencyLevel: &level}
		proto.SetExtension(o, methodv1.E_Locality, methodv1.Locality_LOCALITY_GLOBAL)
		proto.SetExtension(o, methodv1.E_Criticality, methodv1.Criticality_CRITICALITY_BROWSE)
		proto.SetExtension(o, methodv1.E_Authentication, authentication)
		f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Syntax: new("proto3"), Name: new("meridian/refund/v1/refund.proto"), Package: new("meridian.refund.v1"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("RefundService"), Method: []*descriptorpb.MethodDescriptorProto{
				{Name: new("List"), InputType: new(".meridian.refund.v1.M"), OutputType: new(".meridian.refund.v1.M"), Options: o},
			}}},
		}, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		e := &Edge{regions: s.edge.regions, region: s.edge.region, tokens: s.edge.tokens, locator: s.edge.locator}
		if e.methods, err = method.NewTable(f); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/meridian.refund.v1.RefundService/List", nil)
		r.Header.Set("Authorization", "Bearer home:eu-west-1")
		if got := e.Public(r); got != want {
			t.Errorf("%v: public %v", authentication, got)
		}
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for _, tc := range [][2]string{{"192.0.2.1", "192.0.2.1"}, {"2001:db8:0:1::1", "2001:db8::"}, {"2001:db8:0:ff::1", "2001:db8::"}, {"2001:db8:0:100::1", "2001:db8:0:100::"}} {
		if got := network(netip.MustParseAddr(tc[0])); got.String() != tc[1] {
			t.Errorf("%s is of %s, want %s", tc[0], got, tc[1])
		}
	}
	if got := network(netip.Addr{}); !got.IsValid() {
		t.Error("a caller that is not known is no caller")
	}
}

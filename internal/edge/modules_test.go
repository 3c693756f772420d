package edge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/regions"
)

// serving makes a stack one that serves only some modules.
func (f *fleet) serving(s *stack, target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Endpoint = discovery.NewEndpoint(s.ID, s.Addr, s.Region, target, awhile)
	s.Answered()
	f.publish()
}

// A stack gets only what its target serves. A region that has no stack for a request is as one that is lost.
func TestStacksGetWhatTheyServe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }
	stacks := map[string]*stack{}
	for _, at := range []struct {
		region regions.Name
		target string
	}{{eu, "catalog"}, {eu, "cart,account"}, {eu, "relay,payment"}, {us, "order,cart"}, {us, "all"}} {
		id := string(at.region) + " " + at.target
		stacks[id] = s.add(t, at.region, id, ok)
		s.serving(stacks[id], at.target)
	}
	const (
		product = "/meridian.catalog.v1.CatalogService/GetProduct"
		setItem = "/meridian.cart.v1.CartService/SetItem"
		place   = "/meridian.order.v1.OrderService/PlaceOrder"
	)
	for _, tt := range []struct {
		path  string
		by    []string
		route decide.Route
	}{
		{product, []string{"eu-west-1 catalog"}, decide.RouteNearest},
		{setItem, []string{"eu-west-1 cart,account"}, decide.RouteHome},
		{place, []string{"us-east-1 order,cart", "us-east-1 all"}, decide.RouteFailover}, // eu has none that places orders
	} {
		for range 10 {
			r := s.send(t, http.MethodPost, tt.path, "{}", "Idempotency-Key", "k", "CF-IPCountry", "IE")
			if r.status != http.StatusOK || !strings.Contains(strings.Join(tt.by, "|"), r.Get("Stack")) || r.Get("Meridian-Route") != string(tt.route) {
				t.Errorf("%s: %d by %q, route %s; want one of %q, route %s", tt.path, r.status, r.Get("Stack"), r.Get("Meridian-Route"), tt.by, tt.route)
			}
		}
	}
	without := newSite(t)
	without.serving(without.add(t, eu, "eu/0", ok), "catalog,cart")
	if r := without.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "NO_HEALTHY_REGION") {
		t.Errorf("without a stack that places orders: %d %s", r.status, r.body)
	}
	if n := stacks["eu-west-1 relay,payment"].calls.Load(); n != 0 {
		t.Errorf("a stack that serves no API got %d requests", n)
	}
}

// A consistency token goes from the caller to the stack and back; it says nothing that an edge would have to know.
func TestConsistencyTokensPass(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(consistency.Header, "after "+r.Header.Get(consistency.Header))
	})
	for _, header := range []string{consistency.Header, "meridian-consistency"} {
		if got := s.send(t, http.MethodGet, "/x", "", header, "token").Get(consistency.Header); got != "after token" {
			t.Errorf("%s: %q comes back", header, got)
		}
	}
}

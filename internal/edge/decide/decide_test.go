package decide_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us = regions.Name("us-east-1")
	eu = regions.Name("eu-west-1")
	ap = regions.Name("ap-southeast-1")

	place   = "/meridian.order.v1.OrderService/PlaceOrder"
	watch   = "/meridian.order.v1.OrderService/WatchOrder"
	setItem = "/meridian.cart.v1.CartService/SetItem"
	product = "/meridian.catalog.v1.CatalogService/GetProduct"
	signUp  = "/meridian.account.v1.AccountService/SignUp"
)

var files = []protoreflect.FileDescriptor{
	accountv1.File_meridian_account_v1_account_proto, cartv1.File_meridian_cart_v1_cart_proto,
	catalogv1.File_meridian_catalog_v1_catalog_proto, orderv1.File_meridian_order_v1_order_proto,
}

func table(t testing.TB) *method.Table {
	t.Helper()
	tab, err := method.NewTable(files...)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// health is how many of two instances are healthy; a region that is absent has none.
type health map[regions.Name]int

func (h health) view() *decide.View {
	var v decide.View
	for i, n := range regions.Default().Names() {
		v[i] = decide.State{Healthy: h[n], Total: 2, Weight: 100}
	}
	return &v
}

var allHealthy = health{us: 2, eu: 2, ap: 2}

func policy(t testing.TB, edge regions.Name) *decide.Policy {
	t.Helper()
	p, err := decide.NewPolicy(regions.Default(), edge, geo.NewProximity(regions.Default(), nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDecide has one line per rule: the candidates as region:route, and the one that serves.
func TestDecide(t *testing.T) {
	t.Parallel()
	located := func(n regions.Name) geo.Location { return geo.Location{Region: n, Source: geo.SourceGeoIP} }
	for name, tc := range map[string]struct {
		edge  regions.Name
		path  string
		req   decide.Request
		h     health
		want  string
		first regions.Name
	}{
		"global: this edge's region": {eu, product, decide.Request{Location: located(ap), Home: us}, allHealthy,
			"eu:nearest us:failover ap:failover", eu},
		"global: the next nearest to the edge": {ap, product, decide.Request{Location: located(us)}, health{eu: 1, us: 2},
			"ap:nearest eu:failover us:failover", eu},
		"global: soft pin": {eu, product, decide.Request{Prefer: ap}, allHealthy, "ap:pinned eu:failover us:failover", ap},
		"global: soft pin on a lost region": {eu, product, decide.Request{Prefer: ap}, health{eu: 1},
			"ap:pinned eu:failover us:failover", eu},
		"home: the claim": {eu, place, decide.Request{Home: us, ID: ap, Location: located(eu)}, allHealthy,
			"us:home eu:failover ap:failover", us},
		"home lost: its neighbors, not the edge's": {us, place, decide.Request{Home: ap}, health{us: 2, eu: 2},
			"ap:home eu:failover us:failover", eu},
		"home: the id": {eu, "/v1/orders/x/events", decide.Request{ID: ap, Location: located(us)}, allHealthy,
			"ap:home eu:failover us:failover", ap},
		"home: the location":  {eu, place, decide.Request{Location: located(us)}, allHealthy, "us:home eu:failover ap:failover", us},
		"home: nothing known": {eu, place, decide.Request{}, allHealthy, "eu:home us:failover ap:failover", eu},
		"home: a soft pin does not move it": {eu, place, decide.Request{Home: us, Prefer: ap}, allHealthy,
			"us:home eu:failover ap:failover", us},
		"home unknown: a soft pin counts": {eu, place, decide.Request{Location: located(us), Prefer: ap}, allHealthy,
			"ap:pinned eu:failover us:failover", ap},
		"caller: where it is located": {eu, signUp, decide.Request{Location: located(ap)}, allHealthy,
			"ap:nearest eu:failover us:failover", ap},
		"caller lost: the located region's neighbors": {us, signUp, decide.Request{Location: located(ap)}, health{us: 2, eu: 2},
			"ap:nearest eu:failover us:failover", eu},
		"hard pin":                  {eu, place, decide.Request{Home: us, Require: ap, Prefer: eu}, allHealthy, "ap:pinned", ap},
		"hard pin on a lost region": {eu, product, decide.Request{Require: ap}, health{us: 2, eu: 2}, "ap:pinned", ""},
		"unknown regions": {eu, place, decide.Request{Home: "mars-1", ID: "x", Require: "y", Prefer: "z", Location: located("w")}, allHealthy,
			"eu:home us:failover ap:failover", eu},
		"nothing is healthy: panic": {eu, product, decide.Request{}, health{}, "eu:panic us:failover ap:failover", eu},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.req.Method = table(t).Lookup(http.MethodPost, tc.path)
			p := policy(t, tc.edge)
			v := tc.h.view()
			d := p.Decide(&tc.req, v)
			var got []string
			for _, c := range d.Candidates() {
				got = append(got, fmt.Sprintf("%.2s:%s", c.Region, c.Route))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			first, _ := d.First()
			if first.Region != tc.first {
				t.Errorf("it goes to %q, want %q", first.Region, tc.first)
			}
			steps := strings.Join(p.Explain(&tc.req, &d, v), "\n")
			if tc.first != "" && !strings.Contains(steps, fmt.Sprintf("sent to %s", tc.first)) || tc.first == "" && !strings.Contains(steps, "503") {
				t.Errorf("the explanation does not tell the outcome:\n%s", steps)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	p := policy(t, eu)
	r := decide.Request{
		Method: table(t).Lookup(http.MethodPost, place), Home: ap, Prefer: us,
		Location: geo.Location{Client: netip.MustParseAddr("203.0.113.5"), Country: "JP", CountryFrom: "GeoIP", Region: ap, Source: geo.SourceClaim},
		Caller:   170,
	}
	want := []string{
		"/meridian.order.v1.OrderService/PlaceOrder is served at the user's home (HOME); it may change something and is not repeated without an Idempotency-Key.",
		"The caller is 203.0.113.5 in JP (GeoIP).",
		"The caller is located in ap-southeast-1, by home_claim.",
		"It belongs to ap-southeast-1: home in the access token.",
		"The preferred region us-east-1 does not count, because the user's rows decide.",
		"1. ap-southeast-1 (home): 0 of 2 instances healthy, 175ms from this edge in eu-west-1: no healthy instance.",
		"2. eu-west-1 (failover): 1 of 2 instances healthy, 0s from this edge in eu-west-1: serves (health 100, share 100 %).",
		"3. us-east-1 (failover): 2 of 2 instances healthy, 70ms from this edge in eu-west-1: in reserve (health 100, share 0 %).",
		"It is sent to eu-west-1, route failover.",
	}
	v := health{us: 2, eu: 1}.view()
	d := p.Decide(&r, v)
	if diff := cmp.Diff(want, p.Explain(&r, &d, v)); diff != "" {
		t.Error(diff)
	}
	r.Method = table(t).Lookup(http.MethodPost, product) // of which such a region gives a part away
	r.Prefer = ""
	d = p.Decide(&r, v)
	want = []string{
		"1. eu-west-1 (nearest): 1 of 2 instances healthy, 0s from this edge in eu-west-1: takes others (health 70, share 70 %).",
		"This caller is at 70 of 100, always.",
		"It is sent to us-east-1, route failover.",
	}
	got := p.Explain(&r, &d, v)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the explanation lacks %q: %q", line, got)
		}
	}
}

func TestNewPolicyRefusesUnknownEdge(t *testing.T) {
	t.Parallel()
	if _, err := decide.NewPolicy(regions.Default(), "mars-1", geo.NewProximity(regions.Default(), nil)); err == nil {
		t.Error("no error")
	}
}

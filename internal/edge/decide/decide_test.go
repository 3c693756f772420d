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
	"pgregory.net/rapid"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/id"
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

func table(t testing.TB) *decide.Table {
	t.Helper()
	tab, err := decide.NewTable(files...)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// health is how many of two instances are healthy; a region that is absent has none.
type health map[regions.Name]int

func (h health) Counts(n regions.Name) (healthy, total int) { return h[n], 2 }

var allHealthy = health{us: 2, eu: 2, ap: 2}

func policy(t testing.TB, edge regions.Name) *decide.Policy {
	t.Helper()
	p, err := decide.NewPolicy(edge, geo.NewProximity(regions.Default(), nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTable(t *testing.T) {
	t.Parallel()
	order := id.New(id.Order, "ap1")
	for _, tc := range []struct {
		method, path string
		want         decide.Method
	}{
		{"POST", place, decide.Method{Name: place, Locality: decide.Home}},
		{"POST", setItem, decide.Method{Name: setItem, Locality: decide.Home, Idempotent: true}},
		{"POST", product, decide.Method{Name: product, Locality: decide.Global, ReadOnly: true, Idempotent: true}},
		{"GET", product, decide.Method{Name: product, Locality: decide.Global, ReadOnly: true, Idempotent: true}},
		{"POST", signUp, decide.Method{Name: signUp, Locality: decide.Caller}},
		{"POST", watch, decide.Method{Name: watch, Locality: decide.Home, ReadOnly: true, Idempotent: true, Stream: true}},
		{"GET", "/v1/orders/" + order + "/events", decide.Method{Name: "/v1/orders/{id}/events", Locality: decide.Home, ReadOnly: true, Idempotent: true, Stream: true}},
		{"GET", "/.well-known/jwks.json", decide.Method{Name: "/{path}", Locality: decide.Global, ReadOnly: true, Idempotent: true}},
		{"POST", "/v1/x/" + order, decide.Method{Name: "/{path with an id}", Locality: decide.Home}},
		{"DELETE", "/v1/x", decide.Method{Name: "/{path}", Locality: decide.Global}},
		{"POST", place + "/", decide.Method{Name: "/{path}", Locality: decide.Global}},
		{"", "", decide.Method{Name: "/{path}", Locality: decide.Global}},
	} {
		if diff := cmp.Diff(tc.want, table(t).Lookup(tc.method, tc.path)); diff != "" {
			t.Errorf("%s %s: %s", tc.method, tc.path, diff)
		}
	}
}

func TestRegionOfPath(t *testing.T) {
	t.Parallel()
	order := id.New(id.Order, "ap1")
	for path, want := range map[string]regions.Name{
		"/v1/orders/" + order + "/events": ap,
		"/v1/orders/" + order:             ap,
		order:                             ap,
		"/" + id.New(id.User, "us1") + "/" + order:                        us,
		"/v1/orders/" + id.New(id.Order, "zz9"):                           "", // no such region
		"/v1/orders/" + id.New(id.Order, "zz9") + "/" + order:             ap,
		"/v1/orders/" + strings.ToUpper(order):                            "",
		"/v1/orders/" + order + "x":                                       "",
		"/v1/orders/ord_ap1_" + strings.Repeat("u", 26):                   "", // not in the alphabet
		strings.Repeat("/", 40) + order:                                   "", // too deep
		"":                                                                "",
		"/v1/orders/" + strings.Repeat("_", 40) + "/" + order + "/events": ap,
	} {
		if got := decide.RegionOfPath(regions.Default(), path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
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
		"nothing is healthy": {eu, product, decide.Request{}, health{}, "eu:nearest us:failover ap:failover", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.req.Method = table(t).Lookup(http.MethodPost, tc.path)
			p := policy(t, tc.edge)
			d := p.Decide(tc.req, tc.h)
			var got []string
			for _, c := range d.Candidates {
				got = append(got, fmt.Sprintf("%.2s:%s", c.Region, c.Route))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			first, _ := d.First()
			if first.Region != tc.first {
				t.Errorf("it goes to %q, want %q", first.Region, tc.first)
			}
			steps := strings.Join(p.Explain(tc.req, d), "\n")
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
	}
	want := []string{
		"/meridian.order.v1.OrderService/PlaceOrder is served at the user's home (HOME); it may change something and is not repeated without an Idempotency-Key.",
		"The caller is 203.0.113.5 in JP (GeoIP).",
		"The caller is located in ap-southeast-1, by home_claim.",
		"It belongs to ap-southeast-1: home in the access token.",
		"The preferred region us-east-1 does not count, because the user's rows decide.",
		"1. ap-southeast-1 (home): 0 of 2 instances healthy, 175ms from this edge in eu-west-1.",
		"2. eu-west-1 (failover): 1 of 2 instances healthy, 0s from this edge in eu-west-1.",
		"3. us-east-1 (failover): 2 of 2 instances healthy, 70ms from this edge in eu-west-1.",
		"It is sent to eu-west-1, route failover.",
	}
	h := health{us: 2, eu: 1}
	if diff := cmp.Diff(want, p.Explain(r, p.Decide(r, h))); diff != "" {
		t.Error(diff)
	}
}

func TestNewPolicyRefusesUnknownEdge(t *testing.T) {
	t.Parallel()
	if _, err := decide.NewPolicy("mars-1", geo.NewProximity(regions.Default(), nil)); err == nil {
		t.Error("no error")
	}
}

func TestDecideProperties(t *testing.T) {
	t.Parallel()
	tab, names := table(t), append(regions.Default().Names(), "", "mars-1")
	proximity := geo.NewProximity(regions.Default(), nil)
	rapid.Check(t, func(t *rapid.T) {
		region := rapid.SampledFrom(names)
		p, err := decide.NewPolicy(rapid.SampledFrom(regions.Default().Names()).Draw(t, "edge"), proximity)
		if err != nil {
			t.Fatal(err)
		}
		r := decide.Request{
			Method: tab.Lookup(http.MethodPost, rapid.SampledFrom([]string{place, product, signUp, watch, "/x"}).Draw(t, "path")),
			Home:   region.Draw(t, "home"), ID: region.Draw(t, "id"), Prefer: region.Draw(t, "prefer"), Require: region.Draw(t, "require"),
			Location: geo.Location{Region: region.Draw(t, "located")},
		}
		h := health{}
		for _, n := range regions.Default().Names() {
			h[n] = rapid.IntRange(0, 2).Draw(t, "healthy")
		}
		d := p.Decide(r, h)
		if diff := cmp.Diff(d, p.Decide(r, h)); diff != "" {
			t.Fatalf("it decides differently the second time: %s", diff)
		}
		check(t, r, h, d, proximity)
		if len(p.Explain(r, d)) < 5 {
			t.Fatal("the explanation is short")
		}
	})
}

func check(t *rapid.T, r decide.Request, h health, d decide.Decision, proximity *geo.Proximity) {
	known := func(n regions.Name) bool { return proximity.From(n) != nil }
	seen := map[regions.Name]bool{}
	for i, c := range d.Candidates {
		if seen[c.Region] || !known(c.Region) {
			t.Fatalf("candidate %s is there twice, or is no region", c.Region)
		}
		seen[c.Region] = true
		if c.Healthy != h[c.Region] || (c.Route == decide.RouteFailover) != (i > 0) {
			t.Fatalf("candidate %d is %+v", i, c)
		}
	}
	first, ok := d.First()
	if known(r.Require) {
		if len(d.Candidates) != 1 || ok && first.Region != r.Require {
			t.Fatalf("a hard pin to %s gives %+v", r.Require, d.Candidates)
		}
		return
	}
	if len(seen) != 3 || ok != (h[us]+h[eu]+h[ap] > 0) {
		t.Fatalf("candidates are missing, or a healthy one is passed over: %+v", d.Candidates)
	}
	head := d.Candidates[0].Region
	if r.Method.Locality == decide.Home && known(r.Home) && head != r.Home {
		t.Fatalf("a HOME request of a user of %s starts at %s", r.Home, head)
	}
	if r.Method.Locality != decide.Global && !slices.Equal(order(d), proximity.From(head)) {
		t.Fatalf("candidates %v are not by proximity from %s", order(d), head)
	}
}

func order(d decide.Decision) []regions.Name {
	var out []regions.Name
	for _, c := range d.Candidates {
		out = append(out, c.Region)
	}
	return out
}

// FuzzPath proves that no path panics, that an id found in it is of a region, and that what a path names is
// bounded (it becomes a metric's label).
func FuzzPath(f *testing.F) {
	f.Add("GET", "/v1/orders/"+id.New(id.Order, "eu1")+"/events")
	f.Add("POST", place)
	f.Add("", "////")
	f.Add("GET", "/v1/orders//events")
	tab := table(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		m := tab.Lookup(method, path)
		if m.Name != path && !strings.Contains(m.Name, "{") {
			t.Errorf("%q is named %q", path, m.Name)
		}
		if n := decide.RegionOfPath(regions.Default(), path); n != "" {
			if _, ok := regions.Default().Lookup(n); !ok || m.Locality == decide.Global && m.Name == "/{path}" {
				t.Errorf("%q names %q, and is served %s", path, n, m.Locality)
			}
		}
		if m.ReadOnly && !m.Idempotent {
			t.Errorf("%q has no side effects but is not idempotent", path)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p, tab, path := policy(b, eu), table(b), "/v1/orders/"+id.New(id.Order, "ap1")+"/events"
	catalog := regions.Default()
	b.ReportAllocs()
	for b.Loop() {
		r := decide.Request{Method: tab.Lookup(http.MethodGet, path), ID: decide.RegionOfPath(catalog, path), Home: ap}
		p.Decide(r, allHealthy)
	}
}

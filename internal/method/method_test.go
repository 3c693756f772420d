package method_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	edgev1 "github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1"
	methodv1 "github.com/meridian-commerce/meridian/api/gen/meridian/method/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	place   = "/meridian.order.v1.OrderService/PlaceOrder"
	watch   = "/meridian.order.v1.OrderService/WatchOrder"
	events  = "/v1/orders/{id}/events"
	setItem = "/meridian.cart.v1.CartService/SetItem"
	product = "/meridian.catalog.v1.CatalogService/GetProduct"
	signUp  = "/meridian.account.v1.AccountService/SignUp"
	jwks    = "/.well-known/jwks.json"
)

func table(t testing.TB) *method.Table {
	t.Helper()
	tab, err := method.NewTable(
		accountv1.File_meridian_account_v1_account_proto, cartv1.File_meridian_cart_v1_cart_proto,
		catalogv1.File_meridian_catalog_v1_catalog_proto, orderv1.File_meridian_order_v1_order_proto,
		edgev1.File_meridian_edge_v1_edge_proto)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestLookup(t *testing.T) {
	t.Parallel()
	order := id.New(id.Order, "ap1")
	reads := method.Method{Module: "catalog", Locality: method.Global, Class: method.Browse, ReadOnly: true, Idempotent: true}
	watches := method.Method{Module: "order", Locality: method.Home, Class: method.Cart, ReadOnly: true, Idempotent: true, Authenticated: true, Stream: true}
	other := method.Method{Locality: method.Global, Class: method.Browse}
	for _, tc := range []struct {
		method, path, name string
		want               method.Method
	}{
		{"POST", place, place, method.Method{Module: "order", Locality: method.Home, Class: method.Checkout, Throttle: method.PlaceOrder, Keyed: true, Authenticated: true}},
		{"POST", setItem, setItem, method.Method{Module: "cart", Locality: method.Home, Class: method.Cart, Idempotent: true, Authenticated: true}},
		{"POST", product, product, reads},
		{"GET", product, product, reads},
		{"POST", signUp, signUp, method.Method{Module: "account", Locality: method.Caller, Class: method.Background, Throttle: method.SignIn}},
		{"POST", watch, watch, watches},
		{"GET", "/v1/orders/" + order + "/events", events, watches},
		{"HEAD", "/v1/orders/x/events", events, watches},
		{"GET", jwks, jwks, method.Method{Locality: method.Global, Class: method.Browse, ReadOnly: true, Idempotent: true}},
		{"POST", "/v1/orders/" + order + "/events", events, method.Method{Module: "order", Locality: method.Home, Class: method.Cart, Authenticated: true, Stream: true}},
		{"GET", "/v1/orders//events", "/{path}", method.Method{Locality: method.Global, Class: method.Browse, ReadOnly: true, Idempotent: true}},
		{"GET", "/v1/orders/x/events/", "/{path}", method.Method{Locality: method.Global, Class: method.Browse, ReadOnly: true, Idempotent: true}},
		{"POST", "/v1/x/" + order, "/{path with an id}", method.Method{Locality: method.Home, Class: method.Browse}},
		{"DELETE", "/v1/x", "/{path}", other},
		{"", "", "/{path}", other},
		{"POST", place + "/", "/{unknown service}/{method}", method.Method{Locality: method.Global, Class: method.Browse, Unknown: true}},
		{"POST", "/grpc.health.v2.Health/Check", "/{unknown service}/{method}", method.Method{Locality: method.Global, Class: method.Browse, Unknown: true}},
		{"POST", "/meridian.refund.v1.RefundService/Refund", "/{unknown service}/{method}", method.Method{Locality: method.Global, Class: method.Browse, Unknown: true}},
		{"POST", "/meridian.edge.v1.RouteService/Explain", "/{unknown service}/{method}", method.Method{Locality: method.Global, Class: method.Browse, Unknown: true}},
	} {
		tc.want.Name = tc.name
		if diff := cmp.Diff(tc.want, table(t).Lookup(tc.method, tc.path)); diff != "" {
			t.Errorf("%s %s: %s", tc.method, tc.path, diff)
		}
	}
}

func TestRepeatable(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][2]bool{ // without a key, with one
		product: {true, true}, setItem: {true, true}, place: {false, true}, signUp: {false, false}, "/v1/x": {false, false},
	} {
		m := table(t).Lookup("POST", path)
		if got := [2]bool{m.Repeatable(false), m.Repeatable(true)}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestServes(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"/meridian.cart.v1.CartService/": true, "GET " + events: true, "GET " + jwks: true,
		"/meridian.refund.v1.RefundService/": false, "/meridian.edge.v1.RouteService/": false, "GET /v1/refunds/{id}": false,
	} {
		if got := table(t).Serves(pattern); got != want {
			t.Errorf("%s: %t, want %t", pattern, got, want)
		}
	}
}

func TestClassNames(t *testing.T) {
	t.Parallel()
	if got := method.Background.String() + method.Checkout.String() + method.Class(9).String(); got != "backgroundcheckoutbackground" {
		t.Errorf("class names: %s", got)
	}
}

// TestAMethodThatSaysTooLittleStopsTheStart adds a domain with one method, as a protobuf file would, and leaves out or
// misspells one option after the other.
func TestAMethodThatSaysTooLittleStopsTheStart(t *testing.T) {
	t.Parallel()
	level := descriptorpb.MethodOptions_IDEMPOTENT
	complete := func() *descriptorpb.MethodOptions {
		o := &descriptorpb.MethodOptions{IdempotencyLevel: &level}
		proto.SetExtension(o, methodv1.E_Locality, methodv1.Locality_LOCALITY_HOME)
		proto.SetExtension(o, methodv1.E_Criticality, methodv1.Criticality_CRITICALITY_BACKGROUND)
		proto.SetExtension(o, methodv1.E_Authentication, methodv1.Authentication_AUTHENTICATION_USER)
		proto.SetExtension(o, methodv1.E_Roles, []string{"support"})
		return o
	}
	for name, tc := range map[string]struct {
		spoil func(o *descriptorpb.MethodOptions)
		want  string // "": accepted
	}{
		"complete": {func(*descriptorpb.MethodOptions) {}, ""},
		"a key instead": {func(o *descriptorpb.MethodOptions) {
			o.IdempotencyLevel = nil
			proto.SetExtension(o, methodv1.E_IdempotencyKey, methodv1.IdempotencyKey_IDEMPOTENCY_KEY_REQUIRED)
		}, ""},
		"no options":        {func(o *descriptorpb.MethodOptions) { proto.Reset(o) }, "does not say its locality"},
		"no locality":       {func(o *descriptorpb.MethodOptions) { proto.ClearExtension(o, methodv1.E_Locality) }, "does not say its locality"},
		"no criticality":    {func(o *descriptorpb.MethodOptions) { proto.ClearExtension(o, methodv1.E_Criticality) }, "does not say its criticality"},
		"no authentication": {func(o *descriptorpb.MethodOptions) { proto.ClearExtension(o, methodv1.E_Authentication) }, "does not say its authentication"},
		"no idempotency":    {func(o *descriptorpb.MethodOptions) { o.IdempotencyLevel = nil }, "does not say its idempotency_key"},
		"another locality":  {func(o *descriptorpb.MethodOptions) { proto.SetExtension(o, methodv1.E_Locality, methodv1.Locality(99)) }, "does not know the locality 99"},
		"another rank": {func(o *descriptorpb.MethodOptions) {
			proto.SetExtension(o, methodv1.E_Criticality, methodv1.Criticality(99))
		}, "does not know the criticality 99"},
		"another throttle": {func(o *descriptorpb.MethodOptions) { proto.SetExtension(o, methodv1.E_Throttle, methodv1.Throttle(99)) }, "does not know the throttle 99"},
		"roles of nobody": {func(o *descriptorpb.MethodOptions) {
			proto.SetExtension(o, methodv1.E_Authentication, methodv1.Authentication_AUTHENTICATION_NONE)
		}, "names roles"},
		"GET that writes": {func(o *descriptorpb.MethodOptions) { proto.SetExtension(o, methodv1.E_Get, "/v1/refunds/{id}") }, "side effects"},
	} {
		options := complete()
		tc.spoil(options)
		tab, err := method.NewTable(refunds(t, options), cartv1.File_meridian_cart_v1_cart_proto)
		const refund = "/meridian.refund.v1.RefundService/Refund"
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.want == "" && !tab.Serves("/meridian.refund.v1.RefundService/"):
			t.Errorf("%s: the method is not in the table", name)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), refund) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: error %v, want one that names %s and says %q", name, err, refund, tc.want)
		}
	}
}

// refunds is the file of a new domain with one method.
func refunds(t *testing.T, o *descriptorpb.MethodOptions) protoreflect.FileDescriptor {
	t.Helper()
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Syntax: new("proto3"), Name: new("meridian/refund/v1/refund.proto"), Package: new("meridian.refund.v1"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new("RefundService"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: new("Refund"), InputType: new(".meridian.refund.v1.M"), OutputType: new(".meridian.refund.v1.M"), Options: o,
			}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestEveryLinkedServiceIsComplete fails when a protobuf file of this repository leaves an option out.
func TestEveryLinkedServiceIsComplete(t *testing.T) {
	t.Parallel()
	tab, err := method.Linked()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{place, setItem, product, signUp} {
		if _, ok := tab.RPC(name); !ok {
			t.Errorf("%s is not in the table", name)
		}
	}
}

func TestRegionOfPath(t *testing.T) {
	t.Parallel()
	const us, ap = regions.Name("us-east-1"), regions.Name("ap-southeast-1")
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
		if got := method.RegionOfPath(regions.Default(), path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

// FuzzPath proves that no path panics, that an id found in it is of a region, and that what a path names is
// bounded (it becomes a metric's label).
func FuzzPath(f *testing.F) {
	f.Add("GET", "/v1/orders/"+id.New(id.Order, "eu1")+"/events")
	f.Add("POST", place)
	f.Add("", "////")
	f.Add("GET", "/v1/orders//events")
	tab := table(f)
	f.Fuzz(func(t *testing.T, verb, path string) {
		m := tab.Lookup(verb, path)
		if m.Name != path && !strings.Contains(m.Name, "{") {
			t.Errorf("%q is named %q", path, m.Name)
		}
		if n := method.RegionOfPath(regions.Default(), path); n != "" {
			if _, ok := regions.Default().Lookup(n); !ok || m.Locality == method.Global && m.Name == "/{path}" {
				t.Errorf("%q names %q, and is served %s", path, n, m.Locality)
			}
		}
		if m.ReadOnly && !m.Idempotent {
			t.Errorf("%q has no side effects but is not idempotent", path)
		}
	})
}

// TestPlainPaths: a plain path is one method's, whatever order the files come in, and has the form of one.
func TestPlainPaths(t *testing.T) {
	t.Parallel()
	level := descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	for path, served := range map[string]bool{
		"/v1/refunds": true, "/v1/refunds/{id}": true, "/v1/orders/{id}": true,
		"/v1/orders/mine/events": false, "/v1/{kind}/{id}/events": false, jwks: false, "/{x}/jwks.json": false,
		place: false, "/meridian.x": false, "v1/refunds": false, "/v1//refunds": false, "/v1/refunds/": false, "/v1/{x/events": false, "/v1/x}": false, "/": false,
	} {
		o := &descriptorpb.MethodOptions{IdempotencyLevel: &level}
		proto.SetExtension(o, methodv1.E_Locality, methodv1.Locality_LOCALITY_HOME)
		proto.SetExtension(o, methodv1.E_Criticality, methodv1.Criticality_CRITICALITY_CART)
		proto.SetExtension(o, methodv1.E_Authentication, methodv1.Authentication_AUTHENTICATION_USER)
		proto.SetExtension(o, methodv1.E_Get, path)
		files := []protoreflect.FileDescriptor{orderv1.File_meridian_order_v1_order_proto, refunds(t, o)}
		for range 2 {
			if _, err := method.NewTable(files...); (err == nil) != served || err != nil && !strings.Contains(err.Error(), "GET ") {
				t.Errorf("%s: %v", path, err)
			}
			files[0], files[1] = files[1], files[0]
		}
	}
}

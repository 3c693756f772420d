package admission

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	localityv1 "github.com/meridian-commerce/meridian/api/gen/meridian/locality/v1"
)

// Class is how much a request matters. Under overload the highest is refused first.
type Class uint8

// The classes.
const (
	Checkout Class = iota
	Cart
	Browse
	Background
	classes // their number
)

// String returns the class's name, as in metrics.
func (c Class) String() string {
	return [...]string{"checkout", "cart", "browse", "background"}[min(c, Background)]
}

// Throttle is a limit that some methods have beside those of all.
type Throttle uint8

// The throttles.
const (
	Open     Throttle = iota // none
	SignIn                   // guesses passwords or makes accounts
	PlaceOne                 // places orders
)

// Route is what admission knows of a request's method.
type Route struct {
	Name     string // bounded in number
	Class    Class
	Throttle Throttle
	Stream   bool // the answer or the request may go on for long
}

// Router tells the route of a request. It is called for every request, concurrently.
type Router func(r *http.Request) Route

// Names of what is no RPC.
const (
	eventsRoute = "/v1/orders/{id}/events"
	otherRoute  = "/{path}"
)

// NewRouter reads the services of protobuf files: a method's class is its option criticality, and browse if it
// has none. throttles names those methods, by path, that have a throttle. What is no RPC is browse, but for the
// event stream of an order, which is cart.
func NewRouter(throttles map[string]Throttle, files ...protoreflect.FileDescriptor) (Router, error) {
	routes := map[string]Route{}
	for _, f := range files {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				r, err := describe(methods.Get(j))
				if err != nil {
					return nil, err
				}
				r.Throttle = throttles[r.Name]
				routes[r.Name] = r
			}
		}
	}
	for name := range throttles {
		if _, ok := routes[name]; !ok {
			return nil, fmt.Errorf("admission: a throttle names %s, which is no method", name)
		}
	}
	return func(r *http.Request) Route {
		if known, ok := routes[r.URL.Path]; ok {
			return known
		}
		if strings.HasPrefix(r.URL.Path, "/v1/orders/") && strings.HasSuffix(r.URL.Path, "/events") {
			return Route{Name: eventsRoute, Class: Cart, Stream: true}
		}
		stream := strings.Contains(r.Header.Get("Accept"), "text/event-stream") || r.Header.Get("Upgrade") != ""
		return Route{Name: otherRoute, Class: Browse, Stream: stream}
	}, nil
}

func describe(d protoreflect.MethodDescriptor) (Route, error) {
	r := Route{
		Name:   fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name()),
		Class:  Browse,
		Stream: d.IsStreamingClient() || d.IsStreamingServer(),
	}
	options, ok := d.Options().(*descriptorpb.MethodOptions)
	if !ok {
		return Route{}, fmt.Errorf("admission: %s has no method options", d.FullName())
	}
	criticality, _ := proto.GetExtension(options, localityv1.E_Criticality).(localityv1.Criticality)
	switch criticality {
	case localityv1.Criticality_CRITICALITY_CHECKOUT:
		r.Class = Checkout
	case localityv1.Criticality_CRITICALITY_CART:
		r.Class = Cart
	case localityv1.Criticality_CRITICALITY_BROWSE, localityv1.Criticality_CRITICALITY_UNSPECIFIED:
		r.Class = Browse
	case localityv1.Criticality_CRITICALITY_BACKGROUND:
		r.Class = Background
	default:
		return Route{}, fmt.Errorf("admission: %s has criticality %v, which this binary does not know", d.FullName(), criticality)
	}
	return r, nil
}

// Package method is the one table of what requests ask for. Each RPC says of itself, in protobuf options
// (api/meridian/method/v1), where its data lives, how much it matters, whether it may be repeated, who may call it
// and which plain path serves it too; the table is made from them at start. Routing, admission, the edge's retries
// and the checks of callers all look here, so that none of them can believe something else.
//
//	order.proto ──options──▶ NewTable ──┬─▶ edge: decide, retry, hedge      (Locality, Idempotent, Keyed, Stream)
//	cart.proto  ──options──▶     │      ├─▶ admission: class and throttle   (Class, Throttle)
//	…                            │      └─▶ rpc: who may call               (Caller, Roles)
//	                             └─ an RPC that leaves an option out: an error that names it, and no start
package method

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

// Locality says which region should serve a request.
type Locality string

// The localities.
const (
	Global Locality = "global" // any region
	Home   Locality = "home"   // the region that keeps the user's rows
	Caller Locality = "caller" // the region that the caller's location is assigned to
)

// Class is how much a request matters. Under overload the highest is refused first.
type Class uint8

// The classes.
const (
	Checkout Class = iota
	Cart
	Browse
	Background
	Classes // their number
)

// String returns the class's name, as in metrics.
func (c Class) String() string {
	return [...]string{"checkout", "cart", "browse", "background"}[min(c, Background)]
}

// Throttle is a limit that some methods have beside those of all.
type Throttle uint8

// The throttles.
const (
	Unthrottled Throttle = iota
	SignIn               // guesses passwords or makes accounts
	PlaceOrder           // places orders
)

// Method is what is known of a request's method before anyone looks at the caller.
type Method struct {
	Name          string // the RPC's path, or the pattern of a plain path; bounded in number
	Module        string // the part of a stack that serves it, such as order; "" for what every stack serves
	Locality      Locality
	Class         Class
	Throttle      Throttle
	ReadOnly      bool     // no side effects
	Idempotent    bool     // doing it twice is as doing it once; true if ReadOnly
	Keyed         bool     // doing it twice under one Idempotency-Key is as doing it once
	Authenticated bool     // only who sends a valid access token may call it
	Roles         []string // one of which the caller needs; none: any caller's will do
	Stream        bool     // the answer may go on for long
	ClientSends   bool     // the request may go on for long
	Unknown       bool     // it has the form of an RPC's path, and is none
}

// Call is what an edge knows of a request before it decides. Nothing of it is taken from a caller's word alone.
type Call struct {
	Method  Method
	Stream  bool         // the answer may go on for long
	Address netip.Addr   // the caller's; invalid when not known
	Proxy   bool         // the address is a trusted proxy's: it is many callers' and has no limit for itself
	User    string       // the id of the signed-in user, or ""
	Region  regions.Name // whose stacks the request will most likely go to
}

// Repeatable reports whether a request may be sent again although it may have been done, given whether it has a valid
// Idempotency-Key.
func (m *Method) Repeatable(key bool) bool { return m.Idempotent || m.Keyed && key }

// ClassFor returns how much a request matters, given whether its caller is known. Without a caller, a method that needs one
// can only be refused: such requests must take no room from those that can be served, or anybody could fill it with them.
func (m *Method) ClassFor(known bool) Class {
	if m.Authenticated && !known {
		return Background
	}
	return m.Class
}

// Table finds the Method of a request. It never changes.
type Table struct {
	rpcs  map[string]Method
	plain []plain
}

// plain is a method by a path that is no RPC's.
type plain struct {
	segments []string // a segment in braces is any one
	method   Method
}

// RPC returns the method of an RPC by its path, and false when it is no RPC.
func (t *Table) RPC(path string) (Method, bool) {
	m, ok := t.rpcs[path]
	return m, ok
}

// Services returns the names of the services that edges route to, sorted.
func (t *Table) Services() []string {
	named := map[string]bool{}
	for path := range t.rpcs {
		service, _, _ := strings.Cut(path[1:], "/")
		named[service] = true
	}
	return slices.Sorted(maps.Keys(named))
}

// Serves reports whether the table has rows for a pattern of http.ServeMux: a service's, such as
// /meridian.cart.v1.CartService/, or a plain path's, such as GET /v1/orders/{id}/events.
func (t *Table) Serves(pattern string) bool {
	if _, path, isPlain := strings.Cut(pattern, " "); isPlain {
		return slices.ContainsFunc(t.plain, func(p plain) bool { return p.method.Name == path })
	}
	for name := range t.rpcs {
		if strings.HasPrefix(name, pattern) {
			return true
		}
	}
	return false
}

// Names of what no row of the table names.
const (
	unknownRPC  = "/{unknown service}/{method}"
	otherHome   = "/{path with an id}"
	otherGlobal = "/{path}"
)

// rpcPrefix begins the path of every RPC.
const rpcPrefix = "/meridian."

// Lookup returns the method of a request. A path that no row has is served at home when it names an id, and anywhere
// otherwise: stacks have no data there, and say so.
func (t *Table) Lookup(httpMethod, path string) Method {
	if m, ok := t.rpcs[path]; ok {
		return m
	}
	safe := httpMethod == http.MethodGet || httpMethod == http.MethodHead || httpMethod == http.MethodOptions
	for i := range t.plain {
		if t.plain[i].matches(path) {
			m := t.plain[i].method
			m.ReadOnly = safe // a stack refuses every other verb there, but that is for it to say
			m.Idempotent = safe
			return m
		}
	}
	m := Method{Name: otherGlobal, Locality: Global, Class: Browse, ReadOnly: safe, Idempotent: safe}
	switch {
	case strings.HasPrefix(path, rpcPrefix), ofRPC(path):
		m.Name = unknownRPC
		m.Unknown = true
	case hasID(path):
		m.Name = otherHome
		m.Locality = Home
	}
	return m
}

// matches reports whether a path has the pattern's segments, without allocating.
func (p *plain) matches(path string) bool {
	rest, ok := strings.CutPrefix(path, "/")
	for i, want := range p.segments {
		if !ok {
			return false
		}
		var segment string
		segment, rest, ok = strings.Cut(rest, "/")
		if last := i == len(p.segments)-1; last && ok || segment == "" || want[0] != '{' && segment != want {
			return false
		}
	}
	return true
}

// maxSegments of a path are looked at for an id.
const maxSegments = 16

// ofRPC reports whether a path has the form of an RPC's: /package.Service/Method.
func ofRPC(path string) bool {
	service, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return ok && name != "" && !strings.Contains(name, "/") && strings.IndexByte(service, '.') > 0
}

// RegionOfPath returns the home region of the first id among a path's segments, or "" when there is none.
func RegionOfPath(c *regions.Set, path string) regions.Name {
	for segment := range segmentsOf(path) {
		if code, ok := codeOf(segment); ok {
			if name, known := c.ByCode(code); known {
				return name
			}
		}
	}
	return ""
}

func hasID(path string) bool {
	for segment := range segmentsOf(path) {
		if _, ok := codeOf(segment); ok {
			return true
		}
	}
	return false
}

// segmentsOf yields a path's segments, at most maxSegments, so that a long path costs no more than a short one.
func segmentsOf(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for range maxSegments {
			segment, rest, more := strings.Cut(path, "/")
			if !yield(segment) || !more {
				return
			}
			path = rest
		}
	}
}

// codeOf returns the region code inside a segment that is an id.
func codeOf(segment string) (regions.Code, bool) {
	const shortest, longest = 30, 40
	if len(segment) < shortest || len(segment) > longest || segment[3] != '_' {
		return "", false
	}
	_, code, err := id.Parse(segment)
	return code, err == nil
}

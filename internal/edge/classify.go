package edge

import (
	"net/http"
	"net/netip"
	"strings"

	"connectrpc.com/connect"
	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// inquiry is what a request tells before it is decided.
type inquiry struct {
	peer   netip.Addr
	header http.Header
	method string
	path   string
	token  string
}

func inquiryOf(r *http.Request) inquiry {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // a caller of no known address is located by what else it says
	return inquiry{peer.Addr(), r.Header, r.Method, r.URL.Path, bearer(r.Header)}
}

// examination is what an inquiry comes to.
type examination struct {
	request  decide.Request
	user     string   // the subject of a verified token, or ""
	tokenErr error    // why the token does not count
	refusal  *problem // why there is nothing to decide
}

// examine gathers what a decision needs. A token that does not verify is no claim: the stack will say so to
// the caller. A hard pin to a region that does not exist is refused.
func (e *Edge) examine(q inquiry) (out examination) {
	req := &out.request
	claims := Claims{}
	if req.Method = e.methods.Lookup(q.method, q.path); req.Method.Unknown {
		// A stack of a newer release may have it, but where it would have to be served is not known here.
		out.refusal = &problem{http.StatusNotFound, connect.CodeUnimplemented,
			fault.New(fault.NotFound, "METHOD_UNKNOWN", "There is no method %.80q.", q.path)}
	}
	if q.token != "" {
		if claims, out.tokenErr = e.tokens.Verify(q.token); out.tokenErr == nil {
			out.user = claims.Subject
			req.Home = claims.Home
		}
	}
	req.ID = method.RegionOfPath(e.regions, q.path)
	req.Require = regions.Name(first(q.header, headerRegion))
	req.Prefer = regions.Name(first(q.header, headerPrefer))
	if _, known := e.regions.Lookup(req.Require); req.Require != "" && !known {
		out.refusal = invalid(fault.New(fault.Invalid, "UNKNOWN_REGION", "%s names %.40q, which is no region; there are %v.",
			headerRegion, req.Require, e.regions.Names()))
	}
	pin := req.Require
	if pin == "" {
		pin = req.Prefer
	}
	req.Location = e.locator.Locate(geo.Caller{Peer: q.peer, Header: q.header, Home: req.Home, ID: req.ID, Pin: pin})
	req.Caller = callerHash(claims.Subject, req.Location.Client)
	return out
}

// class is what a request is, and so how it travels. It does not change once it is known.
type class struct {
	decide.Request
	stream     bool // the answer may go on for long: no time-out for its head
	shared     bool // it goes over a connection that others use too
	repeatable bool // repeating it is harmless
}

func classify(r *http.Request, known decide.Request) class {
	c := class{Request: known}
	c.stream = known.Method.Stream || strings.Contains(first(r.Header, "Accept"), "text/event-stream")
	c.shared = c.stream || strings.HasPrefix(first(r.Header, "Content-Type"), "application/grpc")
	return c
}

const (
	maxHeaders = 100 // lines that a request's header may have

	// maxHead is how much of a caller's head is sent to a stack, each field counted with the 32 bytes that HTTP/2 adds.
	// With what an edge adds it is less than a stack takes, so that no stack has to refuse what an edge sends it.
	maxHead = 31 << 10
)

// unfit says why a request cannot be sent to any stack, nil if it can. All that a stack, or the way to it, could
// refuse is refused here, for what fails later looks like a fault of the stack's.
func unfit(r *http.Request) *problem {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return invalid(fault.New(fault.Invalid, "METHOD_NOT_ALLOWED", "%s is not served here.", r.Method))
	case len(r.Header["Content-Length"]) > 1: // only HTTP/2 comes this far with two
		return invalid(fault.New(fault.Invalid, "LENGTH_TWICE", "A request has one Content-Length."))
	case !httpguts.ValidHeaderFieldName(r.Method), !sendable(r):
		return invalid(fault.New(fault.Invalid, "NOT_FORWARDABLE",
			"A request has a method of letters, and a path and a query of visible ASCII; anything else is percent-encoded."))
	}
	return unfitHead(r.Header, len(r.Method)+len(r.URL.Path)+len(r.URL.RawQuery)+len(r.Host))
}

// unfitHead is unfit for a header, or a trailer, beside which so many bytes more are sent.
func unfitHead(h http.Header, size int) *problem {
	lines := 0
	for name, values := range h {
		for _, v := range values {
			lines++
			size += len(name) + len(v) + 32
			if !httpguts.ValidHeaderFieldValue(v) {
				return invalid(fault.New(fault.Invalid, "NOT_FORWARDABLE", "The value of %.40q has a control character.", name))
			}
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return invalid(fault.New(fault.Invalid, "NOT_FORWARDABLE", "%.40q is no name of a header.", name))
		}
	}
	if lines > maxHeaders || size > maxHead {
		return &problem{http.StatusRequestHeaderFieldsTooLarge, connect.CodeInvalidArgument,
			fault.New(fault.Invalid, "HEADERS_TOO_MANY", "A request has at most %d header lines, and %d KiB of them.", maxHeaders, maxHead>>10)}
	}
	return nil
}

// sendable reports whether a request names a path, and a query that can be sent as it is.
func sendable(r *http.Request) bool {
	if r.URL.Opaque != "" || !strings.HasPrefix(r.URL.Path, "/") {
		return false
	}
	for i := range len(r.URL.RawQuery) {
		if c := r.URL.RawQuery[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// bearer returns the bearer token of a request, or "".
func bearer(h http.Header) string {
	const scheme, longest = "Bearer ", 8 << 10
	value := first(h, "Authorization")
	if len(value) > len(scheme) && len(value) <= longest && strings.EqualFold(value[:len(scheme)], scheme) {
		return value[len(scheme):]
	}
	return ""
}

// hasKey reports whether a request carries a valid Idempotency-Key.
func hasKey(h http.Header) bool {
	keys := h["Idempotency-Key"]
	return len(keys) == 1 && visible(keys[0], 255)
}

// visible reports whether s is 1 to longest characters of visible ASCII.
func visible(s string, longest int) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

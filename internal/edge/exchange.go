package edge

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// exchange is one request on its way through the edge. Only the goroutine that serves it touches it.
type exchange struct {
	in        *http.Request
	ctx       context.Context // ends when the caller leaves, or has waited for as long as it said it would
	span      trace.Span      // nil: it is not recorded
	trace     trace.SpanContext
	parent    []string // the span as a Traceparent header's value; nil: there is none
	start     time.Time
	requestID string
	request   decide.Request
	decision  decide.Decision
	body      payload
	out       wire.Request // what goes to a stack
	header    http.Header  // of out
	upgrade   string       // the protocol that the caller asks to switch to, "" for none
	stream    bool         // the answer may go on for long: no time-out for its headers
	shared    bool         // it goes over a connection that others use too

	repeatable bool // repeating it is harmless
	tried      []*discovery.Endpoint
	unsent     int           // attempts that did not reach a stack
	retried    bool          // the one repetition is used
	budget     *budget       // that its repetition counts in
	claimed    bool          // it counts in the budget now
	unsure     bool          // an earlier attempt may have been done though it gave no definite answer
	silence    bool          // the last attempt ended because its instance did not answer
	replayed   bool          // a stack sent it to another region
	avoid      regions.Name  // a region to which connections break
	trial      *atomic.Int32 // the last attempt was a trial of an ejected region; counts those under way

	// of the last attempt, until release
	held    *discovery.Endpoint     // whose load it counts in; nil: none
	flight  *wire.Exchange          // on a connection of its own; nil: none
	cancel  context.CancelCauseFunc // on a shared connection; nil: none
	unwatch func() bool             // ends the watch for the caller's leaving; nil: none

	region   regions.Name // that served last, "" before any
	route    decide.Route
	status   int  // as answered; 0 before
	finished bool // answered to the last byte
}

// inquiry is what a request tells before it is decided.
type inquiry struct {
	peer   netip.Addr
	header http.Header
	method string
	path   string
	token  string
}

func inquiryOf(r *http.Request) inquiry {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return inquiry{peer.Addr(), r.Header, r.Method, r.URL.Path, bearer(r.Header)}
}

// examination is what an inquiry comes to.
type examination struct {
	request  decide.Request
	tokenErr error    // why the token does not count
	refusal  *problem // why there is nothing to decide
}

// examine gathers what a decision needs. A token that does not verify is no claim: the stack will say so to
// the caller. A hard pin to a region that does not exist is refused.
func (e *Edge) examine(q inquiry) (out examination) {
	req, claims := &out.request, Claims{}
	req.Method = e.methods.Lookup(q.method, q.path)
	if q.token != "" {
		if claims, out.tokenErr = e.tokens.Verify(q.token); out.tokenErr == nil {
			req.Home = claims.Home
		}
	}
	req.ID = decide.RegionOfPath(e.catalog, q.path)
	if req.Require, req.Prefer = regions.Name(first(q.header, headerRegion)), regions.Name(first(q.header, headerPrefer)); req.Require != "" {
		if _, ok := e.catalog.Lookup(req.Require); !ok {
			out.refusal = invalid(fault.New(fault.Invalid, "UNKNOWN_REGION", "%s names %.40q, which is no region; there are %v.",
				headerRegion, req.Require, e.catalog.Names()))
		}
	}
	pin := req.Require
	if pin == "" {
		pin = req.Prefer
	}
	req.Location = e.locator.Locate(geo.Caller{Peer: q.peer, Header: q.header, Home: req.Home, ID: req.ID, Pin: pin})
	req.Caller = callerHash(claims.Subject, req.Location.Client)
	return out
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

// requestID returns the caller's id of the request if it is fit to be logged, else a fresh one.
func requestID(h http.Header) string {
	if given := first(h, headerRequestID); visible(given, 128) {
		return given
	}
	var b [16]byte // nothing rests on nobody guessing it
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	var text [32]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
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

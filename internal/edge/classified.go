package edge

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

type classifiedKey struct{}

// classified is what one look at a request came to.
type classified struct {
	examination
	class class
	came  time.Time
}

// Classified looks at each request once, for everything behind it: admission, the headers of answers, and the edge.
func (e *Edge) Classified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), classifiedKey{}, e.look(r))))
	})
}

// classified returns what is known of a request, which is looked at here if it did not pass Classified.
func (e *Edge) classified(r *http.Request) *classified {
	if known, ok := r.Context().Value(classifiedKey{}).(*classified); ok {
		return known
	}
	return e.look(r)
}

func (e *Edge) look(r *http.Request) *classified {
	came := time.Now()
	found := e.examine(inquiryOf(r))
	return &classified{examination: found, class: classify(r, found.request), came: came}
}

// CallOf returns what is known of a request.
func (e *Edge) CallOf(r *http.Request) method.Call {
	known := e.classified(r)
	address := known.request.Location.Client
	asked := known.request.Method
	asked.Class = asked.ClassFor(known.user != "")
	return method.Call{
		Method: asked, Stream: known.class.stream, Address: address, Proxy: e.Trusts(address),
		User: known.user, Region: known.expected(e.region),
	}
}

// Trusts reports whether an address is a trusted proxy's, and so many callers'.
func (e *Edge) Trusts(address netip.Addr) bool { return e.locator.Trusts(address) }

// expected is the region of the decision's first candidate if all are well, but for a sign-up, whose caller may be
// assigned to another region than the edge's.
func (x *examination) expected(here regions.Name) regions.Name {
	req := &x.request
	switch {
	case req.Require != "":
		return req.Require
	case req.Method.Locality == method.Home && req.Home != "":
		return req.Home
	case req.Method.Locality == method.Home && req.ID != "":
		return req.ID
	}
	return here
}

// Public reports whether the answer to a GET is the same for every caller: it is a read of global data by an RPC.
func (e *Edge) Public(r *http.Request) bool {
	m := &e.classified(r).request.Method
	return m.Module != "" && m.ReadOnly && m.Locality == method.Global && !m.Authenticated
}

package edge

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"time"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/plant"
)

const longestTimeout = 24 * time.Hour

// exchange is one request, from its arrival to its last byte: what each step found out that later steps and the record
// of it need. Only the goroutine that serves it touches it.
type exchange struct {
	in     *http.Request
	came   time.Time // when it was first looked at, before admission read some of its body
	start  time.Time
	id     string // X-Request-Id
	traced traced
	class  class
	out    outgoing
	course course
	ctx    context.Context // ends when the caller leaves, or has waited for as long as it said it would

	status   int  // as answered; 0 before
	finished bool // answered to the last byte
}

// serve takes one request from its arrival to its last byte.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) {
	x := e.newExchange(r)
	found := e.classified(r)
	x.class = found.class
	x.came = found.came
	x.ctx, x.traced = e.tracing.start(r, found.request.Method.Name)
	if limit, ok := timeoutOf(r.Header); ok && limit < longestTimeout {
		limited, cancel := context.WithDeadline(x.ctx, x.start.Add(limit))
		defer cancel()
		x.ctx = limited
	}
	x.course.budget = e.budgetOf(found.request.Method)
	x.course.budget.enter()
	defer func() { // also where the answer breaks off, which is a panic
		x.course.budget.leave()
		e.record(x)
		e.forget(x)
	}()
	refusal := found.refusal
	if refusal == nil {
		refusal = e.open(w, x)
	}
	if refusal != nil {
		e.answer(w, x, refusal)
		x.finished = true
		return
	}
	e.forward(w, x)
	if x.status == 0 && errors.Is(x.ctx.Err(), context.DeadlineExceeded) {
		e.answer(w, x, late())
	}
	x.finished = true
}

// newExchange returns the exchange of a request. It is large, so that those that are over are used again.
func (e *Edge) newExchange(r *http.Request) *exchange {
	x, ok := e.exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.in = r
	x.start = time.Now()
	x.id = requestID(r.Header)
	return x
}

// forget ends the use of an exchange.
func (e *Edge) forget(x *exchange) {
	if x.out.body.rest != nil {
		return // an attempt may still be reading what is left of the body
	}
	tried := x.course.tried[:0]
	header := x.out.header
	if x.class.shared || x.course.retried {
		header = nil // an attempt that was given up may still be reading it
	}
	clear(header)
	*x = exchange{}
	x.course.tried = tried
	x.out.header = header
	e.exchanges.Put(x)
}

// open fills in the exchange: the decision, the body, and what goes to a stack.
func (e *Edge) open(w http.ResponseWriter, x *exchange) *problem {
	if p := unfit(x.in); p != nil {
		if plant.Bites(plant.BlamedStack, 1) {
			e.blame(x)
		}
		return p
	}
	x.course.decision = e.decide(&x.class.Request, x.start)
	if x.class.Method.ClientSends {
		x.out.body = payload{rest: x.in.Body}
	} else {
		body, err := readPayload(w, x.in, e.maxBody, x.came.Add(e.patience))
		x.out.body = body
		if err != nil {
			return e.unreadable(err)
		}
		// Only now is the trailer there.
		if p := unfitHead(x.in.Trailer, 0); p != nil {
			return p
		}
	}
	e.prepare(x)
	return nil
}

// blame counts a request that is not sent as a failure of the instance that would have got it: the planted bug.
func (e *Edge) blame(x *exchange) {
	x.course.decision = e.decide(&x.class.Request, x.start)
	if t, ok := e.next(&x.class, &x.course, ""); ok {
		e.view.Report(t.Endpoint, false, netip.Addr{})
	}
}

// unreadable says what is wrong with a body that could not be read.
func (e *Edge) unreadable(err error) *problem {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return &problem{http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted,
			fault.Wrap(err, fault.Invalid, "BODY_TOO_LARGE", "A request's body has at most %d bytes.", long.Limit)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{http.StatusRequestTimeout, connect.CodeDeadlineExceeded,
			fault.Wrap(err, fault.Invalid, "BODY_TOO_SLOW", "The request's body did not come within %v.", e.patience)}
	}
	return invalid(fault.Wrap(err, fault.Invalid, "BODY_UNREADABLE", "The request's body ended before it was complete."))
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

package admission

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// streamStart is after how long a stream counts as started, though its answer has not begun.
const streamStart = time.Second

// regionLimiter limits the requests that are expected to go to one region.
type regionLimiter struct {
	*limiter
	region regions.Name
	served atomic.Pointer[regions.Name] // where they go now, if it is not up
}

func newRegionLimiter(n regions.Name, concurrency int) *regionLimiter {
	return &regionLimiter{limiter: newLimiter(concurrency), region: n}
}

// limiterFor returns the limiter of the region that requests for n go to now.
func (g *Gate) limiterFor(n regions.Name) *regionLimiter {
	l, ok := g.regions[n]
	if !ok {
		l = g.regions[g.cfg.Region]
	}
	// While a region fails over, its requests load the region that serves them, so that limit counts.
	if other := l.served.Load(); other != nil {
		if substitute, ok := g.regions[*other]; ok {
			return substitute
		}
	}
	return l
}

// learn notes from an answer where the requests for a region go.
func (g *Gate) learn(expected regions.Name, answer http.Header) (servedBy regions.Name) {
	values := answer["Meridian-Served-Region"]
	// Without exactly one value the answer does not say which region served it.
	if len(values) != 1 {
		return ""
	}
	servedBy = regions.Name(values[0])
	l, ok := g.regions[expected]
	if !ok {
		return servedBy
	}
	if servedBy == expected {
		// Read before it is written: nearly every answer comes from the expected region, and changes nothing.
		if l.served.Load() != nil {
			l.served.Store(nil)
		}
	} else if answer.Get("Meridian-Route") == "failover" {
		if now := l.served.Load(); now == nil || *now != servedBy {
			other := servedBy // of its own, so that only this branch allocates
			l.served.Store(&other)
		}
	}
	return servedBy
}

// passage is an admitted request until its answer begins.
type passage struct {
	answer  response
	limiter *regionLimiter
	call    method.Call
	arrived time.Time
	begun   time.Time // when it was let in
	over    atomic.Bool
}

// end gives the room back, once, and reports whether this call did.
func (p *passage) end() bool {
	// The end of the handler, the start of the answer and a stream's timer may all get here.
	if p.over.Swap(true) {
		return false
	}
	p.limiter.leave(p.call.Method.Class)
	return true
}

// serve lets next answer.
func (g *Gate) serve(w http.ResponseWriter, r *http.Request, next http.Handler, p *passage) {
	defer p.end()
	// A stream may be silent for long without any load, so it gives its place back after a while.
	if p.call.Stream {
		defer time.AfterFunc(streamStart, func() { p.end() }).Stop()
	}
	p.answer = response{ResponseWriter: w, request: r, gate: g, passage: p}
	answer := &p.answer
	status := 0 // of an answer that never began: none after a panic, which hangs up on the caller
	defer func() {
		if !answer.begun {
			g.metrics.answer(p.call.Method.Class, resultOf(status, r.Context().Err() != nil), time.Since(p.arrived))
		}
	}()
	next.ServeHTTP(answer, r)
	status = http.StatusOK // what the server sends for a handler that wrote nothing
}

// begins ends the passage when its answer begins, and learns from how long that took.
func (g *Gate) begins(r *http.Request, p *passage, status int, h http.Header) {
	now := time.Now()
	g.metrics.answer(p.call.Method.Class, resultOf(status, false), now.Sub(p.arrived))
	// A passage that ended earlier was a stream, whose time says nothing about the region.
	if !p.end() {
		return
	}
	servedBy := g.learn(p.call.Region, h)
	// Only a request that this region answered, and that nobody gave up, measures this region.
	if p.call.Stream || servedBy != p.limiter.region || r.Context().Err() != nil {
		return
	}
	p.limiter.observeAt(now, p.call.Method.Name, now.Sub(p.begun), outcomeOf(status))
}

// outcomeOf says what a status means for the load. A region that refuses quickly is no quick region.
func outcomeOf(status int) outcome {
	switch {
	case status < http.StatusBadRequest:
		return served
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return failed
	}
	return unknown
}

// response notices when the answer begins.
type response struct {
	http.ResponseWriter
	request *http.Request
	gate    *Gate
	passage *passage
	begun   bool
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.ResponseWriter.Write(b) // the writer's own contract
}

// Flush implements http.Flusher.
func (w *response) Flush() {
	w.begin(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // one that cannot flush has nothing held back
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) begin(status int) {
	if w.begun {
		return
	}
	w.begun = true
	w.gate.begins(w.request, w.passage, status, w.Header())
}

// Package wire sends HTTP/1.1 requests to stacks over kept-alive connections, in the goroutine of the caller. It does
// for short requests what http.Transport does, without two goroutines for each connection.
//
//	take an idle connection ──▶ is it quiet? ──▶ write ──▶ read the head ──▶ body read to its end ──▶ idle again
//	        │ none                 │ no: close it            │                └─ closed before ──▶ the connection ends
//	        └─▶ dial               └─▶ take another          └─ context done ──▶ the connection ends
//
// Its guarantees:
//   - A request is never sent twice: only one of which no byte was written goes on to another connection. Whether
//     to repeat it is for the caller to say, who knows what that would mean.
//   - A DialError means that nothing was sent, and so does ErrMalformed.
//   - A connection is used again only after its answer was read to the end, and if the other side has neither closed it
//     nor sent a byte since: an answer that nobody asked for is never taken for the next one's.
package wire

import (
	"errors"
	"sync"
	"time"
)

// ErrMalformed is that of a request that cannot be written as one. Nothing was sent.
var ErrMalformed = errors.New("wire: the request cannot be written as one")

// Config configures a transport.
type Config struct {
	Dialer
	MaxIdle     int           // kept connections for each address
	IdleTimeout time.Duration // until a kept connection is closed; it should be less than the other side's
}

// Transport is an http.RoundTripper for requests over HTTP/1.1 whose bodies are short, have a length and no trailer,
// and which do not switch protocols. It is safe for concurrent use.
type Transport struct {
	cfg   Config
	early time.Duration // how long an answer is waited for whose request broke off

	mu    sync.Mutex
	idle  map[string][]*conn // by address; the one used last is at the end
	sweep *time.Timer        // nil: nothing is idle
}

// New returns a transport with no connection yet.
func New(cfg Config) (*Transport, error) {
	if cfg.Dial == nil || cfg.MaxIdle < 0 || cfg.IdleTimeout <= 0 || cfg.Handshake < 0 {
		return nil, errors.New("wire: a transport needs a dialer and bounds")
	}
	return &Transport{cfg: cfg, early: earlyWait, idle: map[string][]*conn{}}, nil
}

// Package wire sends HTTP/1.1 requests to stacks over kept-alive connections. It does what http.Transport does for
// a proxy, in the goroutine of the caller and without a context for each request, at a fraction of its cost.
// An answer that is written in the one way that leaves nothing to interpret is read here, to the byte as net/http
// would, which a fuzz test compares; any other is read by net/http.
//
//	Send ──▶ Await ──▶ Answer ──▶ body read to its end ──▶ the connection is used again
//	            │         └─ body closed before ──────────▶ the connection ends
//	            └─ Cancel, from any goroutine ────────────▶ the connection ends
//
// Its guarantees:
//   - A request is never sent twice: only one of which no byte was written goes on to another connection. Whether
//     to repeat it is for the caller to say, who knows what that would mean.
//   - A DialError means that nothing was sent.
//   - A connection is used again only after its answer was read to the end, as that answer allows, and if the
//     other side has not closed it by then, nor sent something that nobody asked for.
//   - Nothing is sent that another reader could take for more than one request: names and values are checked.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// ErrMalformed is that of a request that cannot be written as one. Nothing was sent.
var ErrMalformed = errors.New("wire: the request cannot be written as one")

// ErrCanceled is that of an exchange that Cancel ended.
var ErrCanceled = errors.New("wire: canceled")

// DialError says that no connection was made, so that nothing was sent.
type DialError struct{ Err error }

// Error implements error.
func (d *DialError) Error() string { return d.Err.Error() }

// Unwrap returns what the dialer said.
func (d *DialError) Unwrap() error { return d.Err }

// Config is what a pool is told.
type Config struct {
	// Dial connects to a host:port; it bounds how long that takes.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is how connections are secured, nil for clear text. Without a ServerName, the host's is expected.
	TLS *tls.Config
	// HandshakeTimeout bounds a TLS handshake; 0: only the context does.
	HandshakeTimeout time.Duration
	MaxIdle          int           // kept connections for each address
	IdleTimeout      time.Duration // until a kept connection is closed; it should be less than the other side's
}

// Request is one request. Nothing of it is written to.
type Request struct {
	Method string
	Target string // origin form: a path, and a query
	Host   string
	// Header goes along but for Content-Length, Transfer-Encoding, Host, Trailer, Connection and Upgrade, which Send
	// sets itself. Other names are in their canonical form.
	Header  http.Header
	Body    []byte      // the body, or its beginning
	Rest    io.Reader   // what follows; nil: nothing. Reads of it may go on until the answer's body is closed.
	Length  int64       // of both together; -1: not known
	Trailer http.Header // is sent after the body; values may be set until it was read
	Upgrade string      // the protocol to switch to; "": none
	// Fresh asks for a connection of its own, which is closed afterward.
	Fresh bool
	// Interim is told of informational answers but 100 and 101, while Answer runs. It may be nil.
	Interim func(status int, h http.Header)
}

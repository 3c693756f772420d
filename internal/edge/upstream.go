package edge

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	dialTimeout   = 500 * time.Millisecond // plus the round trip to the region
	headerTimeout = 5 * time.Second        // for one attempt of a request that is no stream
)

// upstream is the connections to the stacks of one region.
//
// Unary requests each have a kept-alive HTTP/1.1 connection to themselves while they are under way, so that
// one that is stuck holds up nobody else. Streams and gRPC, which are many and long, share HTTP/2 connections,
// which are pinged when quiet.
//
// Repeated unary requests get a new connection: if what broke the first attempt also took this instance, that
// shows as a refused connection, after which nothing was sent.
type upstream struct {
	unary, shared, fresh http.RoundTripper
	closeIdle            func()
}

// choose returns the connections that suit a request.
func (u *upstream) choose(r *http.Request, x *exchange) http.RoundTripper {
	switch {
	case x.stream || strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		return u.shared
	case x.retried:
		return u.fresh
	}
	return u.unary
}

// dialError says that no connection was made, so that nothing was sent.
type dialError struct{ err error }

func (d *dialError) Error() string { return d.err.Error() }

func (d *dialError) Unwrap() error { return d.err }

func newUpstream(rtt time.Duration, deps Deps) *upstream {
	dialer := &net.Dialer{Timeout: dialTimeout + rtt}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
	unary := &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     time.Minute, // less than a stack's, so that the stack does not close first
		DisableCompression:  true,
		Protocols:           protocols((*http.Protocols).SetHTTP1),
	}
	shared := &http.Transport{
		DialContext:        dial,
		IdleConnTimeout:    time.Minute,
		DisableCompression: true,
		Protocols:          protocols((*http.Protocols).SetUnencryptedHTTP2),
		HTTP2:              &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 3 * time.Second},
	}
	traced := func(t http.RoundTripper) http.RoundTripper { return transport{newTracing(deps), t} }
	fresh := unary.Clone()
	fresh.DisableKeepAlives = true
	return &upstream{traced(unary), traced(shared), traced(fresh), func() {
		unary.CloseIdleConnections()
		shared.CloseIdleConnections()
	}}
}

func protocols(set func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	set(p, true)
	return p
}

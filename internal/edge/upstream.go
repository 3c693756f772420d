package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

const (
	dialTimeout   = 500 * time.Millisecond // plus the round trip to the region
	headerTimeout = 5 * time.Second        // for one attempt of a request that is no stream
	idleTimeout   = time.Minute            // less than a stack's, so that the stack does not close first
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
	unary  *wire.Pool
	shared *http.Transport
	scheme string // of shared
}

// newUpstream returns the connections to a region that is a round trip away, secured as the settings say, or in
// clear text where they are nil.
func newUpstream(rtt time.Duration, secure *tls.Config) (*upstream, error) {
	dialer := &net.Dialer{Timeout: dialTimeout + rtt}
	unary, err := wire.NewPool(wire.Config{
		Dial: dialer.DialContext, TLS: secure, HandshakeTimeout: dialTimeout + 2*rtt, MaxIdle: 512, IdleTimeout: idleTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	shared := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, &wire.DialError{Err: err}
			}
			return conn, nil
		},
		IdleConnTimeout:    idleTimeout,
		DisableCompression: true,
		Protocols:          protocols((*http.Protocols).SetUnencryptedHTTP2),
		HTTP2:              &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 3 * time.Second},
	}
	u := &upstream{unary: unary, shared: shared, scheme: "http"}
	if secure != nil {
		shared.TLSClientConfig, shared.TLSHandshakeTimeout = secure.Clone(), dialTimeout+2*rtt
		shared.Protocols = protocols((*http.Protocols).SetHTTP2)
		u.scheme = "https"
	}
	return u, nil
}

func (u *upstream) closeIdle() {
	u.unary.CloseIdle()
	u.shared.CloseIdleConnections()
}

func protocols(set func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	set(p, true)
	return p
}

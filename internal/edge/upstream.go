package edge

import (
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
// which are pinged when quiet. What has a trailer or is too long to be kept has a connection that
// is used once. So have repetitions of unary requests: if what broke the first attempt also took this instance, that
// shows as a refused connection, after which nothing was sent.
type upstream struct {
	unary  *wire.Transport
	shared *http.Transport
	once   *http.Transport
	scheme string
}

// transport returns what sends a request.
func (u *upstream) transport(o *outgoing, fresh bool) http.RoundTripper {
	switch {
	case o.shared:
		return u.shared
	case o.alone || fresh:
		return u.once
	}
	return u.unary
}

// newUpstream returns the connections to a region that is a round trip away, secured as the settings say, or in
// clear text where they are nil.
func newUpstream(rtt time.Duration, secure *tls.Config) (*upstream, error) {
	return upstreamBy(wire.Dialer{Dial: (&net.Dialer{Timeout: dialTimeout + rtt}).DialContext, TLS: secure, Handshake: dialTimeout + 2*rtt})
}

// upstreamBy returns the connections that a dialer makes.
func upstreamBy(d wire.Dialer) (*upstream, error) {
	unary, err := wire.New(wire.Config{Dialer: d.Speaking("http/1.1"), MaxIdle: 512, IdleTimeout: idleTimeout})
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	u := &upstream{unary: unary, shared: standard(d.Speaking("h2")), once: standard(d.Speaking("http/1.1")), scheme: "http"}
	u.once.Protocols.SetHTTP1(true)
	u.once.DisableKeepAlives = true
	if d.TLS == nil {
		u.shared.Protocols.SetUnencryptedHTTP2(true)
	} else {
		u.shared.Protocols.SetHTTP2(true)
		u.scheme = "https"
	}
	return u, nil
}

// standard returns a transport of net/http's, for no protocol yet.
func standard(d wire.Dialer) *http.Transport {
	return &http.Transport{
		DialContext: d.Connect, DialTLSContext: d.Connect,
		IdleConnTimeout:    idleTimeout,
		DisableCompression: true,
		Protocols:          new(http.Protocols),
		HTTP2:              &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 3 * time.Second},
	}
}

func (u *upstream) closeIdle() {
	u.unary.CloseIdleConnections()
	u.shared.CloseIdleConnections()
}

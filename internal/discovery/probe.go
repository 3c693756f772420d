package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"
)

// ReadyPath is where a stack's API port says whether it can take requests: 200 if it can, 503 if not (it is
// starting or draining).
const ReadyPath = "/.well-known/meridian/ready"

const (
	probeInterval = 200 * time.Millisecond
	probeTimeout  = 400 * time.Millisecond // plus the round trip to the region
)

// errNotReady is wrapped by the error of a probe that was answered, but not with 200.
var errNotReady = errors.New("discovery: the instance says that it is not ready")

// LoadHeader is where a stack's readiness says what part of its capacity is in use: 0 to 1 at its hard limit.
const LoadHeader = "Meridian-Load"

// maxLoad is the most that an instance is believed to be over its limit.
const maxLoad = 10

// Prober asks an instance at host:port whether it is ready: nil if so, with its load, 0 if it does not say. It
// returns when ctx is done.
type Prober func(ctx context.Context, addr string) (load float64, err error)

// newHTTPProber returns a Prober on its own kept-alive connections, apart from the traffic's; over TLS where secure
// says how. A probe that had to make a secure connection first, which takes a round trip more, has its time anew
// from then on: that is no slowness of the instance. A nil dial is over the network.
func newHTTPProber(secure *tls.Config, dial Dial) (probe Prober, closeIdle func()) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	transport := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     secure,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     10 * time.Second,
		DisableCompression:  true,
	}
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	return func(ctx context.Context, addr string) (float64, error) {
		if secure != nil {
			connecting, cancel := anewOnceConnected(ctx)
			defer cancel()
			ctx = connecting
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr+ReadyPath, nil)
		if err != nil {
			return 0, fmt.Errorf("discovery: probe %s: %w", addr, err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return 0, fmt.Errorf("discovery: probe %s: %w", addr, err)
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
		if res.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%w: %s answers %d", errNotReady, addr, res.StatusCode)
		}
		return parseLoad(res.Header.Get(LoadHeader)), nil
	}, transport.CloseIdleConnections
}

// anewOnceConnected returns a context for one request that has ctx's time until there is a connection, and as much
// again if that is a new one.
func anewOnceConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	patience := time.Until(deadline)
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) { // by whoever wants no answer any more
			cancel(context.Canceled)
		}
	})
	out = httptrace.WithClientTrace(out, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused && timer.Stop() {
			timer.Reset(patience)
		}
	}})
	return out, func() {
		stop()
		timer.Stop()
		cancel(context.Canceled)
	}
}

// parseLoad reads a load; what is no number from 0 on is 0.
func parseLoad(text string) float64 {
	load, err := strconv.ParseFloat(text, 64)
	if err != nil || !(load >= 0) { // NaN too
		return 0
	}
	return min(load, maxLoad)
}

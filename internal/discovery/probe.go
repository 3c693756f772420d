package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// newHTTPProber returns a Prober on its own kept-alive connections, apart from the traffic's.
func newHTTPProber() (probe Prober, closeIdle func()) {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     10 * time.Second,
		DisableCompression:  true,
	}
	return func(ctx context.Context, addr string) (float64, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+ReadyPath, nil)
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

// parseLoad reads a load; what is no number from 0 on is 0.
func parseLoad(text string) float64 {
	load, err := strconv.ParseFloat(text, 64)
	if err != nil || !(load >= 0) { // NaN too
		return 0
	}
	return min(load, maxLoad)
}

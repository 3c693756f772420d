package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// ReadyPath is where a stack's API port says whether it can take requests: 200 if it can, 503 if not (it is
// starting or draining).
const ReadyPath = "/.well-known/meridian/ready"

const (
	probeInterval = 250 * time.Millisecond
	probeTimeout  = 500 * time.Millisecond // plus the round trip to the region
)

// errNotReady is wrapped by the error of a probe that was answered, but not with 200.
var errNotReady = errors.New("discovery: the instance says that it is not ready")

// Prober asks an instance at host:port whether it is ready: nil if so. It returns when ctx is done.
type Prober func(ctx context.Context, addr string) error

// newHTTPProber returns a Prober on its own kept-alive connections, apart from the traffic's.
func newHTTPProber() (probe Prober, closeIdle func()) {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     10 * time.Second,
		DisableCompression:  true,
	}
	return func(ctx context.Context, addr string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+ReadyPath, nil)
		if err != nil {
			return fmt.Errorf("discovery: probe %s: %w", addr, err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("discovery: probe %s: %w", addr, err)
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%w: %s answers %d", errNotReady, addr, res.StatusCode)
		}
		return nil
	}, transport.CloseIdleConnections
}

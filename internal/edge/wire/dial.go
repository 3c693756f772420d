package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// DialError says that no connection was made, so that nothing was sent.
type DialError struct{ Err error }

// Error implements error.
func (d *DialError) Error() string { return d.Err.Error() }

// Unwrap returns what the dialer said.
func (d *DialError) Unwrap() error { return d.Err }

// Dialer connects to stacks, and secures the connections. It may be used by other transports too.
type Dialer struct {
	// Dial connects to a host:port; it bounds how long that takes.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is how connections are secured, nil for clear text. Without a ServerName, the host's is expected.
	TLS *tls.Config
	// Handshake bounds a TLS handshake; 0: only the context does.
	Handshake time.Duration
}

// Speaking returns a dialer that asks for a protocol by its ALPN name.
func (d Dialer) Speaking(protocol string) Dialer {
	if d.TLS != nil {
		d.TLS = d.TLS.Clone()
		d.TLS.NextProtos = []string{protocol}
		d.TLS.DynamicRecordSizingDisabled = true // a request is one record
	}
	return d
}

// Connect makes a connection. Errors are DialErrors, whatever failed.
func (d Dialer) Connect(ctx context.Context, network, addr string) (net.Conn, error) {
	below, err := d.Dial(ctx, network, addr)
	if err != nil {
		// Dialers see a deadline before the context does. Callers that give a millisecond must not make it look as if
		// nobody listened.
		if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
			<-ctx.Done()
		}
		return nil, &DialError{err}
	}
	if d.TLS == nil {
		return below, nil
	}
	secured, err := d.secure(ctx, below, addr)
	if err != nil {
		_ = below.Close()
		return nil, &DialError{err}
	}
	return secured, nil
}

func (d Dialer) secure(ctx context.Context, below net.Conn, addr string) (net.Conn, error) {
	cfg := d.TLS
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("wire: TLS: %w", err)
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	if d.Handshake > 0 {
		limited, cancel := context.WithTimeout(ctx, d.Handshake)
		defer cancel()
		ctx = limited
	}
	c := tls.Client(below, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("wire: TLS: %w", err)
	}
	return c, nil
}

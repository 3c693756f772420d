package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
)

// Pair is a certificate chain and its key, in two PEM files. It is safe for concurrent use.
type Pair struct {
	cert, key string
	files     *filewatch.Files
	current   atomic.Pointer[tls.Certificate]
}

// OpenPair reads a pair. log may be nil. Errors say that a file cannot be read, or that the two are no pair that
// is valid by now.
func OpenPair(cert, key string, log *slog.Logger) (*Pair, error) {
	p := &Pair{cert: cert, key: key}
	var err error
	if p.files, err = filewatch.Open(log, p.read, cert, key); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return p, nil
}

// Config returns the settings of a server that uses the pair: TLS 1.2 at least, and HTTP/2 and HTTP/1.1 by
// ALPN.
func (p *Pair) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.Certificate(), nil
		},
	}
}

// Certificate returns the certificate in use. It is shared: it must not be changed.
func (p *Pair) Certificate() *tls.Certificate { return p.current.Load() }

// Leaf returns the certificate in use, without those that it is from.
func (p *Pair) Leaf() *x509.Certificate { return p.current.Load().Leaf }

// RegisterExpiry registers the metrics of when a certificate in use expires, and of how long it is valid in all; both are 0
// while there is none. It fails where they are registered already.
func RegisterExpiry(registry prometheus.Registerer, inUse func() *x509.Certificate) error {
	gauge := func(name, help string, of func(*x509.Certificate) float64) error {
		return registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			if leaf := inUse(); leaf != nil {
				return of(leaf)
			}
			return 0
		}))
	}
	err := errors.Join(
		gauge("meridian_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires, in seconds since 1970.",
			func(leaf *x509.Certificate) float64 { return float64(leaf.NotAfter.Unix()) }),
		gauge("meridian_tls_certificate_lifetime_seconds", "How long the certificate in use is valid in all, in seconds.",
			func(leaf *x509.Certificate) float64 { return leaf.NotAfter.Sub(leaf.NotBefore).Seconds() }),
	)
	if err != nil {
		return fmt.Errorf("credentials: register metrics: %w", err)
	}
	return nil
}

// Refused returns why the files are not in use as they are now; nil: they are.
func (p *Pair) Refused() error { return p.files.Refused() }

// Watch takes up new files until ctx is done; it returns nil then. It is called once.
func (p *Pair) Watch(ctx context.Context) error {
	p.files.Watch(ctx)
	return nil
}

// read takes the files up.
func (p *Pair) read() error {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("read %s and %s: %w", p.cert, p.key, err)
	}
	if err := valid(pair.Leaf); err != nil {
		return fmt.Errorf("%s: %w", p.cert, err)
	}
	p.current.Store(&pair)
	return nil
}

// valid refuses a certificate that no caller would take.
func valid(leaf *x509.Certificate) error {
	switch now := time.Now(); {
	case leaf == nil:
		return errors.New("it cannot be parsed")
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it expired on %s", leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	}
	return nil
}

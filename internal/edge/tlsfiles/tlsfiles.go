// Package tlsfiles serves TLS with a certificate and a key from files, and takes up new ones as they are
// written, without a restart: connections that exist stay as they are, new ones get the new certificate. A
// pair that cannot be read or does not belong together is reported and the one before stays in use, so that a
// renewal that writes one file after the other does no harm.
package tlsfiles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// checkEvery is how often the files are looked at for a change.
const checkEvery = 10 * time.Second

// Pair is a certificate chain and its key, in two PEM files. It is safe for concurrent use.
type Pair struct {
	cert, key string
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]
	loaded    [2]os.FileInfo // only Open and Watch touch it
}

// Open reads a pair. log may be nil. Errors say that a file cannot be read, or that the two are no pair that
// is valid by now.
func Open(cert, key string, log *slog.Logger) (*Pair, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Pair{cert: cert, key: key, log: log}
	if _, err := p.reload(); err != nil {
		return nil, err
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
			return p.current.Load(), nil
		},
	}
}

// Expires returns when the certificate in use does.
func (p *Pair) Expires() time.Time { return p.current.Load().Leaf.NotAfter }

// Watch takes up new files until ctx is done; it returns nil then. It is called once.
func (p *Pair) Watch(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch changed, err := p.reload(); {
		case err != nil:
			p.log.Warn("the new certificate is not used", slog.Any("error", err))
		case changed:
			p.log.Info("certificate replaced", slog.String("path", p.cert), slog.Time("expires", p.Expires()))
		}
	}
}

// reload reads the files if either is not the one that was read last, good or bad.
func (p *Pair) reload() (changed bool, err error) {
	var found [2]os.FileInfo
	same := true
	for i, path := range [...]string{p.cert, p.key} {
		if found[i], err = os.Stat(path); err != nil {
			return false, fmt.Errorf("tlsfiles: %w", err)
		}
		last := p.loaded[i]
		same = same && last != nil && os.SameFile(found[i], last) && found[i].Size() == last.Size() && found[i].ModTime().Equal(last.ModTime())
	}
	if same {
		return false, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	p.loaded = found
	if err != nil {
		return false, fmt.Errorf("tlsfiles: read %s and %s: %w", p.cert, p.key, err)
	}
	if err := valid(pair.Leaf); err != nil {
		return false, fmt.Errorf("tlsfiles: %s: %w", p.cert, err)
	}
	p.current.Store(&pair)
	return true, nil
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

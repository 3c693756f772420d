// Package acme has the edge's certificates issued, and renewed in time, by an authority that speaks ACME (RFC 8555),
// such as Let's Encrypt. The authority proves that the domains lead to the edge on the very port that callers use
// (TLS-ALPN-01, RFC 8737), so that no other port has to be open. certmagic does the work.
//
// What it promises: the process starts without the authority, whose answer is awaited in the background, and tried
// again; a certificate that is there is used until it ends, whatever the authority does. Edges that share a storage
// folder share certificates, and answer for each other when the authority asks.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Config says what to have issued, by whom. The tags of its fields are configuration keys, below edge.acme.
type Config struct {
	Domains   []string     `koanf:"domains" help:"edge: domains to have a certificate issued for by ACME, instead of edge.tls_cert_file"` // each must lead to this edge
	Email     string       `koanf:"email" help:"edge: address that the ACME authority may write to"`
	Directory string       `koanf:"directory_url" help:"edge: ACME authority; default: Let's Encrypt"`
	Storage   string       `koanf:"storage_dir" help:"edge: folder of what is issued, shared by the edges of the domains"`
	Authority string       `koanf:"ca_file" help:"edge: authorities of the ACME authority's own certificate (PEM); default: the system's"`
	Agree     bool         `koanf:"agree" help:"edge: agree to the ACME authority's terms, without which nothing is asked"`
	Listen    string       `koanf:"-"` // host:port of the edge
	Logger    *slog.Logger `koanf:"-"`
}

func (c Config) validate() error {
	switch {
	case len(c.Domains) == 0:
		return errors.New("acme: it takes a domain")
	case !c.Agree:
		return errors.New("acme: the authority's terms are to be agreed to (edge.acme.agree)")
	case c.Storage == "":
		return errors.New("acme: it takes a folder for certificates and keys (edge.acme.storage_dir)")
	}
	for _, d := range c.Domains {
		if !certmagic.SubjectQualifiesForPublicCert(d) {
			return fmt.Errorf("acme: nobody issues a certificate for %q", d)
		}
	}
	return nil
}

// Manager keeps certificates. It is safe for concurrent use.
type Manager struct {
	domains []string
	log     *slog.Logger
	cache   *certmagic.Cache
	magic   *certmagic.Config
	end     sync.Once
}

// New returns a manager that does nothing before Run. Errors are about the configuration.
func New(cfg Config) (*Manager, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m := &Manager{domains: cfg.Domains, log: cfg.Logger}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	issuer, err := cfg.issuer()
	if err != nil {
		return nil, err
	}
	quiet := zap.New(core{m.log.Handler()})
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		Logger:           quiet,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: cfg.Storage},
		OCSP:    certmagic.OCSPConfig{DisableStapling: true}, // authorities have left OCSP
		OnEvent: m.tell,
		Logger:  quiet,
	})
	issuer.Logger = quiet
	m.magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.magic, issuer)}
	return m, nil
}

// issuer describes the authority, and where it finds the edge.
func (c Config) issuer() (certmagic.ACMEIssuer, error) {
	out := certmagic.ACMEIssuer{
		CA: c.Directory, Email: c.Email, Agreed: true, DisableHTTPChallenge: true,
	}
	if out.CA == "" {
		out.CA = certmagic.LetsEncryptProductionCA
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		out.ListenHost = host
		out.AltTLSALPNPort, err = strconv.Atoi(port)
	}
	if err != nil {
		return out, fmt.Errorf("acme: the edge's address: %w", err)
	}
	if c.Authority == "" {
		return out, nil
	}
	text, err := os.ReadFile(c.Authority)
	if err != nil {
		return out, fmt.Errorf("acme: %w", err)
	}
	if out.TrustedRoots = x509.NewCertPool(); !out.TrustedRoots.AppendCertsFromPEM(text) {
		return out, fmt.Errorf("acme: %s holds no certificate", c.Authority)
	}
	return out, nil
}

// Config returns the settings of the edge's port: TLS 1.2 at least, HTTP/2 and HTTP/1.1 by ALPN, and what the
// authority asks.
func (m *Manager) Config() *tls.Config {
	c := m.magic.TLSConfig()
	c.MinVersion = tls.VersionTLS12
	c.NextProtos = append([]string{"h2", "http/1.1"}, c.NextProtos...)
	return c
}

// Run has certificates issued and renewed until ctx is done. The edge's port must be open, for the authority asks
// there. It is called once.
func (m *Manager) Run(ctx context.Context) {
	if err := m.magic.ManageAsync(ctx, m.domains); err != nil && ctx.Err() == nil {
		m.log.ErrorContext(ctx, "certificates are not managed", slog.Any("error", err))
	}
	<-ctx.Done()
	m.Close()
}

// Leaf returns the certificate in use that expires first, of those of all domains; nil while one has none.
func (m *Manager) Leaf() *x509.Certificate {
	var first *x509.Certificate
	for _, d := range m.domains {
		var latest *x509.Certificate
		for _, c := range m.cache.AllMatchingCertificates(d) {
			if c.Leaf != nil && (latest == nil || c.Leaf.NotAfter.After(latest.NotAfter)) {
				latest = c.Leaf
			}
		}
		if latest == nil {
			return nil
		}
		if first == nil || latest.NotAfter.Before(first.NotAfter) {
			first = latest
		}
	}
	return first
}

// Close ends what New began. Certificates stay where they are stored.
func (m *Manager) Close() { m.end.Do(m.cache.Stop) }

// tell writes what happens to certificates to the log.
func (m *Manager) tell(ctx context.Context, event string, data map[string]any) error {
	name, renewal := slog.Any("domain", data["identifier"]), slog.Any("renewal", data["renewal"])
	switch event {
	case "cert_obtained":
		m.log.InfoContext(ctx, "certificate obtained", name, renewal)
	case "cert_failed":
		m.log.ErrorContext(ctx, "the authority issued no certificate; it is asked again", name, renewal, slog.Any("error", data["error"]))
	}
	return nil
}

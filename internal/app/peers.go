package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// identity opens what a process shows its peers by the way between edges and stacks, and keeps it fresh; nil where
// there is none. group names the configuration keys of the files.
func (p *process) identity(files credentials.Files, group string) (*credentials.Identity, error) {
	if !files.Set() {
		return nil, nil // no identity is clear text
	}
	i, err := credentials.Open(files, p.telemetry.Logger)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "%[1]s.cert_file, %[1]s.key_file and the authorities in %[1]s cannot be used", group)
	}
	if err := errors.Join(p.registerExpiry(i.Pair().Leaf, "peers"), p.registerRefused(group, i.Refused)); err != nil {
		return nil, err
	}
	p.background = append(p.background, i.Watch)
	return i, nil
}

// registerRefused registers the metric of files that are not in use as they are now, by the setting that names them.
func (p *process) registerRefused(setting string, refused func() error) error {
	return filewatch.Register(p.telemetry.Metrics, setting, refused)
}

// registerExpiry registers the metrics of when a certificate expires that the process uses toward somebody.
func (p *process) registerExpiry(inUse func() *x509.Certificate, toward string) error {
	return credentials.RegisterExpiry(prometheus.WrapRegistererWith(prometheus.Labels{"toward": toward}, p.telemetry.Metrics), inUse)
}

// stackTLS returns how a stack's port is secured; nil: clear text.
func (s *stack) stackTLS() (*tls.Config, error) {
	i, err := s.identity(s.config.TLS.Files(), "tls")
	if i == nil || err != nil {
		return nil, err
	}
	return i.Stack(), nil
}

// upstreamTLS returns how an edge connects to stacks; nil: in clear text.
func (p *process) upstreamTLS() (*tls.Config, error) {
	i, err := p.identity(p.config.Edge.UpstreamTLS.Files(), "edge.upstream_tls")
	if i == nil || err != nil {
		return nil, err
	}
	return i.Edge(), nil
}

// listenTo serves on an address to peers that the settings take; in clear text where they are nil. Who is not taken
// is a warning in the log.
func listenTo(address string, h http.Handler, secure *tls.Config, log *slog.Logger) (*server, error) {
	if secure == nil {
		return listen(address, h)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	server := &http.Server{
		Handler: h, TLSConfig: secure, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	// The settings hold the certificate.
	return bind(address, server, func(l net.Listener) error { return server.ServeTLS(l, "", "") })
}

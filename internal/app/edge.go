package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/meridian-commerce/meridian/internal/admission"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/edge/gateway"
	"github.com/meridian-commerce/meridian/internal/edge/tlsfiles"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

// edgeGC is how much an edge's heap grows between two collections, in percent. What lives in it is small, and
// every request leaves a few KiB behind: at Go's default of 100 the collector takes a tenth of the processor.
const edgeGC = 400

// RunEdge runs an edge until ctx ends.
func RunEdge(ctx context.Context, c config.Config) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(edgeGC)
	}
	p := &process{config: c, draining: make(chan struct{})}
	if err := p.buildEdge(ctx); err != nil {
		return errors.Join(err, p.closers.close(context.WithoutCancel(ctx)))
	}
	return p.run(ctx)
}

func (p *process) buildEdge(ctx context.Context) error {
	c := p.config
	if err := c.Require("region", "instance", "auth.keys_file"); err != nil {
		return err
	}
	catalog, err := c.Catalog()
	if err != nil {
		return err
	}
	if p.telemetry, err = startTelemetry(ctx, c, "meridian-edge", &p.closers); err != nil {
		return err
	}
	keys, err := loadKeys(c, clock.System())
	if err != nil {
		return err
	}
	consul := make(map[regions.Name]string, len(c.Edge.Consul))
	for name, address := range c.Edge.Consul {
		consul[regions.Name(name)] = address
	}
	e, err := edge.New(edge.Config{
		Catalog: catalog, Region: c.Region, Consul: consul,
		TrustedProxies: c.Edge.TrustedProxies, PeerNAT: c.Edge.PeerNAT, GeoIPFile: c.Edge.GeoIPFile,
		MaxBody: maxBody,
	}, edge.Deps{
		Tokens: edgeTokens{keys.verifier}, Metrics: p.telemetry.Metrics, Logger: p.telemetry.Logger,
		Tracer: p.telemetry.Tracers, Propagator: p.telemetry.Propagator,
	})
	if err != nil {
		return err
	}
	p.background = append(p.background, func(ctx context.Context) {
		if err := e.Run(ctx); err != nil && ctx.Err() == nil {
			p.telemetry.Logger.ErrorContext(ctx, "edge stopped looking at regions", "error", err)
		}
	})
	gate, err := p.buildGate(catalog, keys.verifier)
	if err != nil {
		return err
	}
	return p.serveEdge(e, gate)
}

func (p *process) serveEdge(e *edge.Edge, gate *admission.Gate) error {
	c := p.config
	ready := func(context.Context) error { return e.Ready() }
	mux := http.NewServeMux()
	mux.Handle("GET "+ReadyPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if e.Ready() != nil || p.telemetry.Readiness.Draining() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}))
	front, err := gateway.New(gateway.Config{Origins: c.Edge.CORSOrigins, Public: e.Public}, gate.Handler(e.Handler()))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "edge.cors_origins cannot be used")
	}
	mux.Handle("/", front)
	secure, err := p.certificate()
	if err != nil {
		return err
	}
	api, err := bind(c.Listen, gateway.NewServer(mux, secure, p.telemetry.Logger))
	if err := p.listen(c.Listen, api, err); err != nil {
		return err
	}
	admin := http.NewServeMux()
	admin.Handle(e.AdminHandler())
	admin.Handle("/", p.telemetry.AdminHandler(telemetry.Check{Name: "regions", Run: ready}))
	s, err := listen(c.AdminListen, admin)
	return p.listen(c.AdminListen, s, err)
}

// certificate returns the TLS settings of the edge's port, nil for clear text, and keeps the certificate fresh.
func (p *process) certificate() (*tls.Config, error) {
	cert, key := p.config.Edge.TLSCertFile, p.config.Edge.TLSKeyFile
	if cert == "" && key == "" {
		return nil, nil // no settings are clear text
	}
	pair, err := tlsfiles.Open(cert, key, p.telemetry.Logger)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "edge.tls_cert_file and edge.tls_key_file cannot be used")
	}
	p.background = append(p.background, func(ctx context.Context) { _ = pair.Watch(ctx) }) // it returns no error
	return pair.Config(), nil
}

// edgeTokens gives the edge the claims that it routes by.
type edgeTokens struct{ tokens rpc.Verifier }

// Verify implements edge.TokenVerifier.
func (t edgeTokens) Verify(text string) (edge.Claims, error) {
	c, err := t.tokens.Verify(text)
	return edge.Claims{Subject: c.UserID, Home: c.Home}, err
}

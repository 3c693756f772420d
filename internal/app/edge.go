package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/admission"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/acme"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
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
	set, err := c.RegionSet()
	if err != nil {
		return err
	}
	if p.telemetry, err = startTelemetry(ctx, c, "meridian-edge", &p.closers); err != nil {
		return err
	}
	keys, err := p.openKeys()
	if err != nil {
		return err
	}
	consul := make(map[regions.Name]string, len(c.Edge.Consul))
	for name, address := range c.Edge.Consul {
		consul[regions.Name(name)] = address
	}
	var tracer trace.TracerProvider
	if c.OTLPEndpoint != "" { // else there is nobody to record for
		tracer = p.telemetry.Tracers
	}
	secure, err := p.upstreamTLS()
	if err != nil {
		return err
	}
	e, err := edge.New(edge.Config{
		StackTLS: secure, Regions: set, Region: c.Region, Consul: consul,
		TrustedProxies: c.Edge.TrustedProxies, PeerNAT: c.Edge.PeerNAT, GeoIPFile: c.Edge.GeoIPFile,
		MaxBody: maxBody, HedgePercent: c.Edge.Hedge, LogPercent: c.Edge.AccessLog,
	}, edge.Deps{
		Tokens: edgeTokens{keys}, Metrics: p.telemetry.Metrics, Logger: p.telemetry.Logger,
		Tracer: tracer, Propagator: p.telemetry.Propagator,
	})
	if err != nil {
		return err
	}
	p.background = append(p.background, func(ctx context.Context) {
		if err := e.Run(ctx); err != nil && ctx.Err() == nil {
			p.telemetry.Logger.ErrorContext(ctx, "edge stopped looking at regions", "error", err)
		}
	})
	gate, err := p.buildGate(set, e)
	if err != nil {
		return err
	}
	if err := p.serveEdge(e, gate); err != nil {
		return err
	}
	return p.register(ctx, discovery.Instance{Service: discovery.EdgeServiceName, Target: "edge", Advertise: p.reachable(), Says: says(keys)})
}

func (p *process) serveEdge(e *edge.Edge, gate *admission.Gate) error {
	c := p.config
	front, err := httpapi.New(httpapi.Config{Origins: c.Edge.CORSOrigins, Public: e.Public}, gate.Handler(cleaned(e.Handler())))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "edge.cors_origins cannot be used")
	}
	known := e.Classified(front)
	ready := gate.Limited(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if e.Ready() != nil || p.telemetry.Readiness.Draining() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}))
	own, err := newFront(c.Region, e.Ready)
	if err != nil {
		return err
	}
	own = gate.Limited(own)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == discovery.ReadyPath && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			ready.ServeHTTP(w, r)
		case ofEdge(r.URL.Path):
			own.ServeHTTP(w, r)
		default:
			known.ServeHTTP(w, r)
		}
	})
	secure, err := p.certificate()
	if err != nil {
		return err
	}
	answer := httpapi.NewServer(closing(p.leaving(e.Ready), handler), secure, p.telemetry.Logger)
	api, err := bind(c.Listen, answer.Server, answer.Serve)
	if err == nil {
		api.listener, err = httpapi.Bounded(api.listener, httpapi.Bounds{
			Total: c.Edge.Connections, PerAddress: c.Edge.ConnectionsPerAddress, Exempt: e.Trusts, Metrics: p.telemetry.Metrics,
		})
	}
	if err := p.listen(c.Listen, api, err); err != nil {
		return err
	}
	admin := http.NewServeMux()
	admin.Handle(e.AdminHandler())
	admin.Handle("/", p.telemetry.AdminHandler(telemetry.Check{Name: "regions", Run: func(context.Context) error { return e.Ready() }}))
	s, err := listen(c.AdminListen, admin)
	return p.listen(c.AdminListen, s, err)
}

// cleaned redirects requests whose path is not in its shortest form, as http.ServeMux does, and gives the others to next.
func cleaned(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux looks at each part of a path. One that needs no cleaning, as nearly all, is the API's at once; so is
		// what has none, which the edge refuses.
		if p := r.URL.Path; !strings.HasPrefix(p, "/") || path.Clean(p) == p || r.Method == http.MethodConnect {
			next.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// certificate returns the TLS settings of the edge's port, nil for clear text, and keeps the certificate fresh.
func (p *process) certificate() (*tls.Config, error) {
	cert := p.config.Edge.TLSCertFile
	key := p.config.Edge.TLSKeyFile
	if len(p.config.Edge.ACME.Domains) > 0 {
		return p.issued()
	}
	if cert == "" && key == "" {
		return nil, nil // no settings are clear text
	}
	pair, err := credentials.OpenPair(cert, key, p.telemetry.Logger)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "edge.tls_cert_file and edge.tls_key_file cannot be used")
	}
	if err := errors.Join(p.registerExpiry(pair.Leaf, "callers"), p.registerRefused("edge.tls_cert_file", pair.Refused)); err != nil {
		return nil, err
	}
	p.background = append(p.background, func(ctx context.Context) { _ = pair.Watch(ctx) }) // it returns no error
	return pair.Config(), nil
}

// issued is certificate by an ACME authority.
func (p *process) issued() (*tls.Config, error) {
	c := p.config.Edge
	if c.TLSCertFile != "" || c.TLSKeyFile != "" {
		return nil, fault.New(fault.Invalid, "CONFIG_INVALID", "edge.acme.domains and edge.tls_cert_file exclude each other: a certificate is issued or read")
	}
	c.ACME.Listen = p.config.Listen
	c.ACME.Logger = p.telemetry.Logger
	m, err := acme.New(c.ACME)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "edge.acme cannot be used")
	}
	p.closers.addFunc(m.Close)
	if err := p.registerExpiry(m.Leaf, "callers"); err != nil {
		return nil, err
	}
	p.background = append(p.background, m.Run)
	return m.Config(), nil
}

// edgeTokens gives the edge the claims that it routes by.
type edgeTokens struct{ tokens rpc.Verifier }

// Verify implements edge.TokenVerifier.
func (t edgeTokens) Verify(text string) (edge.Claims, error) {
	c, err := t.tokens.Verify(text)
	return edge.Claims{Subject: c.UserID, Home: c.Home}, err
}

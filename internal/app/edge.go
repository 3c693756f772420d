package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

// RunEdge runs an edge until ctx ends.
func RunEdge(ctx context.Context, c config.Config) error {
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
	return p.serveEdge(e)
}

func (p *process) serveEdge(e *edge.Edge) error {
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
	mux.Handle("/", e.Handler())
	api, err := listen(c.Listen, mux)
	if err := p.listen(c.Listen, api, err); err != nil {
		return err
	}
	admin := http.NewServeMux()
	admin.Handle(e.AdminHandler())
	admin.Handle("/", p.telemetry.AdminHandler(telemetry.Check{Name: "regions", Run: ready}))
	s, err := listen(c.AdminListen, admin)
	return p.listen(c.AdminListen, s, err)
}

// edgeTokens gives the edge the claims that it routes by.
type edgeTokens struct{ tokens rpc.Verifier }

// Verify implements edge.TokenVerifier.
func (t edgeTokens) Verify(text string) (edge.Claims, error) {
	c, err := t.tokens.Verify(text)
	return edge.Claims{Subject: c.UserID, Home: c.Home}, err
}

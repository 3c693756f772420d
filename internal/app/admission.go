package app

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/admission"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// buildGate makes the gate that stands before the edge.
func (p *process) buildGate(catalog *regions.Catalog, tokens rpc.Verifier) (*admission.Gate, error) {
	c := p.config
	methods, err := method.Linked()
	if err != nil {
		return nil, err
	}
	callers := &edgeCallers{tokens: tokens, catalog: catalog, methods: methods, edge: c.Region}
	if callers.trusted, err = geo.ParseProxies(c.Edge.TrustedProxies); err != nil {
		return nil, err
	}
	limits := c.Admission
	limits.Region = c.Region
	limits.Regions = catalog.Names()
	limits.Redis = c.Redis
	gate, err := admission.New(limits, admission.Deps{Methods: methods, Callers: callers, Metrics: p.telemetry.Metrics, Logger: p.telemetry.Logger})
	if err != nil {
		return nil, unusable(err)
	}
	p.closers.add(func(context.Context) error { return gate.Close() })
	p.background = append(p.background, gate.Run)
	return gate, nil
}

// edgeCallers tells admission who calls, by what the edge itself believes.
type edgeCallers struct {
	tokens  rpc.Verifier
	trusted geo.Proxies
	catalog *regions.Catalog
	methods *method.Table
	edge    regions.Name
}

// Address implements admission.Caller.
func (c *edgeCallers) Address(r *http.Request) (address netip.Addr, proxy bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	address = geo.ClientAddress(peer.Addr(), r.Header, c.trusted)
	return address, c.trusted.Contains(address)
}

// User implements admission.Caller. The region is that of the first candidate of the edge's decision, but for a
// sign-up, whose caller is located later.
func (c *edgeCallers) User(r *http.Request) (id string, region regions.Name) {
	var home regions.Name
	if text, ok := rpc.Bearer(r.Header); ok {
		if caller, err := c.tokens.Verify(text); err == nil {
			id, home = caller.UserID, caller.Home
		}
	}
	if pin := regions.Name(r.Header.Get("Meridian-Region")); pin != "" {
		return id, pin
	}
	if c.methods.Lookup(r.Method, r.URL.Path).Locality == method.Home {
		if home == "" {
			home = method.RegionOfPath(c.catalog, r.URL.Path)
		}
		if home != "" {
			return id, home
		}
	}
	return id, c.edge
}

// Package decide chooses the regions that may serve a request, in the order to try them. It is pure: what is
// known of the request and of the regions' health goes in, candidates with their reasons come out, and the
// same input always gives the same output. A Policy is safe for concurrent use.
package decide

import (
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/regions"
)

// Route is why a region serves a request.
type Route string

// The routes.
const (
	RouteHome     Route = "home"     // it keeps the user's rows
	RouteNearest  Route = "nearest"  // it is the nearest to the edge, or to the caller
	RouteFailover Route = "failover" // a region that comes before it cannot serve
	RoutePinned   Route = "pinned"   // the caller asked for it
)

// Health tells how many instances of a region are healthy, of how many.
type Health interface {
	Counts(n regions.Name) (healthy, total int)
}

// Request is what is known of one request. Regions that the catalog does not have count as not given.
type Request struct {
	Method   Method
	Location geo.Location
	Home     regions.Name // the home of a verified access token, or ""
	ID       regions.Name // the region inside an id in the path, or ""
	Require  regions.Name // hard pin: this region or none
	Prefer   regions.Name // soft pin: this region where the data leaves a choice
}

// Candidate is a region that may serve the request.
type Candidate struct {
	Region  regions.Name
	Route   Route
	Healthy int // instances
	Total   int
	RTT     time.Duration // from the edge
}

// Basis is the rule that put the first candidate first.
type Basis string

// The rules.
const (
	BasisRequired Basis = "hard pin"
	BasisPrefer   Basis = "soft pin"
	BasisEdge     Basis = "nearest to this edge"
	BasisClaim    Basis = "home in the access token"
	BasisID       Basis = "region inside the id"
	BasisLocated  Basis = "caller's located region"
)

// Decision is every region that may serve, in the order to try them, whether or not it is healthy now.
type Decision struct {
	Basis      Basis
	Candidates []Candidate
}

// First returns the first candidate that has a healthy instance.
func (d Decision) First() (Candidate, bool) {
	for _, c := range d.Candidates {
		if c.Healthy > 0 {
			return c, true
		}
	}
	return Candidate{}, false
}

// Policy decides for one edge. It never changes.
type Policy struct {
	edge      regions.Name
	proximity *geo.Proximity
}

// NewPolicy returns the policy of an edge.
func NewPolicy(edge regions.Name, proximity *geo.Proximity) (*Policy, error) {
	if proximity.From(edge) == nil {
		return nil, fmt.Errorf("decide: the edge's region %q is not in the catalog", edge)
	}
	return &Policy{edge: edge, proximity: proximity}, nil
}

// Decide orders the candidates. GLOBAL requests go to the region nearest to the edge; HOME requests to the
// user's home; CALLER requests to the region that the caller is located in. The others follow by proximity
// from that region, not from the edge: a lost home's database leases move to its nearest neighbor, so that
// one serves its users best. A soft pin goes first where any region serves equally well; it does not move a
// request away from its user's rows. A hard pin leaves no other candidate.
func (p *Policy) Decide(r Request, h Health) Decision {
	if p.known(r.Require) {
		return Decision{BasisRequired, []Candidate{p.candidate(r.Require, RoutePinned, h)}}
	}
	anchor, route, basis := p.anchor(r)
	first := anchor
	if p.known(r.Prefer) && (r.Method.Locality == Global || basis == BasisLocated) {
		first, route, basis = r.Prefer, RoutePinned, BasisPrefer
		if r.Method.Locality != Global {
			anchor = first
		}
	}
	order := p.proximity.From(anchor)
	d := Decision{basis, make([]Candidate, 0, len(order))}
	d.Candidates = append(d.Candidates, p.candidate(first, route, h))
	for _, n := range order {
		if n != first {
			d.Candidates = append(d.Candidates, p.candidate(n, RouteFailover, h))
		}
	}
	return d
}

// anchor returns the region where the request belongs.
func (p *Policy) anchor(r Request) (regions.Name, Route, Basis) {
	located := r.Location.Region
	if !p.known(located) {
		located = p.edge
	}
	switch {
	case r.Method.Locality == Global:
		return p.edge, RouteNearest, BasisEdge
	case r.Method.Locality == Caller:
		return located, RouteNearest, BasisLocated
	case p.known(r.Home):
		return r.Home, RouteHome, BasisClaim
	case p.known(r.ID):
		return r.ID, RouteHome, BasisID
	}
	return located, RouteHome, BasisLocated
}

func (p *Policy) known(n regions.Name) bool { return n != "" && p.proximity.From(n) != nil }

func (p *Policy) candidate(n regions.Name, route Route, h Health) Candidate {
	healthy, total := h.Counts(n)
	return Candidate{Region: n, Route: route, Healthy: healthy, Total: total, RTT: p.proximity.RTT(p.edge, n)}
}

package decide

import (
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// everywhere is the set of all regions.
const everywhere = ^uint32(0)

// Decide says which region serves a request, and which may be tried after it.
//
// GLOBAL requests belong to the region nearest to the edge; HOME requests to the user's home; CALLER requests
// to the region that the caller is located in. The others follow by proximity from that region, not from the
// edge: a lost home's database leases move to its nearest neighbor, so that one serves its users best. A soft
// pin goes first where any region serves equally well; it does not move a request away from its user's rows. A
// hard pin leaves no other candidate.
//
// A region with few healthy instances gives a part of its GLOBAL requests away (partial failover), but none of
// its HOME ones: elsewhere each of their statements would cross the WAN. Those it gives away by its load alone.
func (p *Policy) Decide(r *Request, v *View) (d Decision) {
	d.serves = -1
	d.trial = -1
	d.rows = r.Method.Locality == method.Home
	allowed := p.line(&d, r, v)
	d.Panic = p.panics(v)
	d.assess(v, allowed)
	if required := p.indexOf(r.Require); required >= 0 && d.list[0].Verdict != VerdictForbidden {
		d.Drained = v[required].Drained && p.others(required, allowed, v)
	}
	if d.Drained {
		d.list[0].Verdict = VerdictDrained
		return d
	}
	d.split(v)
	d.choose(r.Caller, v)
	return d
}

// line lines the candidates up in the order of preference, and returns the set of those that residency allows.
func (p *Policy) line(d *Decision, r *Request, v *View) (allowed uint32) {
	if required := p.indexOf(r.Require); required >= 0 {
		d.Basis = BasisRequired
		p.add(d, required, RoutePinned, v)
		return p.residency(r, -1)
	}
	anchor, route, basis := p.anchor(r)
	first := anchor
	prefer := p.indexOf(r.Prefer)
	if prefer >= 0 && (r.Method.Locality == method.Global || basis == BasisLocated) {
		first = prefer
		route = RoutePinned
		basis = BasisPrefer
		if r.Method.Locality != method.Global {
			anchor = first
		}
	}
	d.Basis = basis
	p.add(d, first, route, v)
	for _, i := range p.order[anchor] {
		if i != first {
			p.add(d, i, RouteFailover, v)
		}
	}
	return p.residency(r, anchor)
}

// anchor returns the region where the request belongs.
func (p *Policy) anchor(r *Request) (int, Route, Basis) {
	located := p.indexOf(r.Location.Region)
	if located < 0 {
		located = p.edge
	}
	switch r.Method.Locality {
	case method.Global:
		return p.edge, RouteNearest, BasisEdge
	case method.Caller:
		return located, RouteNearest, BasisLocated
	case method.Home:
	}
	if home := p.indexOf(r.Home); home >= 0 {
		return home, RouteHome, BasisClaim
	}
	if home := p.indexOf(r.ID); home >= 0 {
		return home, RouteHome, BasisID
	}
	return located, RouteHome, BasisLocated
}

// residency returns the set of regions that may serve a request: those where the user's rows, and the rows that
// the request names, may go. Somebody who signs up has rows where they are located.
func (p *Policy) residency(r *Request, anchor int) uint32 {
	set := everywhere
	known := false
	for _, n := range [...]regions.Name{r.Home, r.ID} {
		if i := p.indexOf(n); i >= 0 {
			set, known = set&p.allowed[i], true
		}
	}
	if !known && anchor >= 0 && r.Method.Locality != method.Global {
		set = p.allowed[anchor]
	}
	return set
}

func (p *Policy) add(d *Decision, i int, route Route, v *View) {
	d.list[d.n] = Candidate{Region: p.names[i], Route: route, Healthy: v[i].Healthy, Total: v[i].Total, RTT: p.rtt[i], index: i}
	d.n++
}

// others reports whether another region than this one lives, is not drained, and may serve.
func (p *Policy) others(than int, allowed uint32, v *View) bool {
	for i := range p.names {
		if i != than && allowed&(1<<i) != 0 && v[i].Healthy > 0 && !v[i].Drained {
			return true
		}
	}
	return false
}

// panics reports whether fewer than half of the instances are healthy in every region: then the health checks
// are believed less than the instances.
func (p *Policy) panics(v *View) bool {
	known := false
	for i := range p.names {
		if v[i].Total > 0 && 2*v[i].Healthy >= v[i].Total {
			return false
		}
		known = known || v[i].Total > 0
	}
	return known
}

// Package decide chooses the region that serves a request, and those to try after it. It is pure: what is
// known of the request and of the regions goes in, candidates with their reasons come out, and the same input
// always gives the same output. A Policy is safe for concurrent use, and deciding allocates nothing.
//
//	anchor      where the request belongs: pin, home, id, location, or the edge's own region
//	order       the anchor, then the others by proximity from it
//	residency   regions where the caller's rows may not go are struck out
//	tiers       regions in service; else ejected ones; else drained ones
//	health      min(100, 140 · healthy / total), times what operators, overload and slow start leave of it
//	share       each in its turn takes up to its health of the callers, so that the shares add up to 100
//	caller      the hash of the caller says which share it is in, always the same
package decide

import (
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// MaxRegions is how many regions a policy can decide between.
const MaxRegions = 16

// Route is why a region serves a request.
type Route string

// The routes.
const (
	RouteHome      Route = "home"      // it keeps the user's rows
	RouteNearest   Route = "nearest"   // it is the nearest to the edge, or to the caller
	RoutePinned    Route = "pinned"    // the caller asked for it
	RouteSpillover Route = "spillover" // a region that comes before it has no room for this caller
	RouteFailover  Route = "failover"  // a region that comes before it has lost the instances that would serve
	RouteDrained   Route = "drained"   // a region that comes before it was taken out of service
	RoutePanic     Route = "panic"     // no region looks healthy: all instances are tried
)

// State is what is known of one region.
type State struct {
	Healthy int     // instances that look able to serve
	Total   int     // instances
	Drained bool    // an operator took it out of service
	Ejected bool    // it was lost or failed requests, and has not proved itself since
	Trial   bool    // it is ejected, and a request may try it
	Weight  int     // percent of its share that operators leave it; if no region is left any, all count as 100
	Ramp    int     // percent that it has warmed up to since it came back; 0 counts as 100
	Load    float64 // part of its capacity in use, 1 at its hard limit; 0 where it is not known
}

// View is what is known of every region, in the set's order.
type View [MaxRegions]State

// Request is what is known of one request. Regions that the set does not have count as not given.
type Request struct {
	Method   method.Method
	Location geo.Location
	Home     regions.Name // the home of a verified access token, or ""
	ID       regions.Name // the region inside an id in the path, or ""
	Require  regions.Name // hard pin: this region or none
	Prefer   regions.Name // soft pin: this region where the data leaves a choice
	Caller   uint64       // a hash of the caller: equal ones are sent to equal regions
}

// Verdict is what becomes of a region in a decision.
type Verdict string

// The verdicts.
const (
	VerdictServes    Verdict = "serves"              // it is tried first
	VerdictShares    Verdict = "takes others"        // it serves other callers of the same kind
	VerdictReserve   Verdict = "in reserve"          // it is tried if those before it fail
	VerdictUnhealthy Verdict = "no healthy instance" //
	VerdictEjected   Verdict = "ejected"             // it was lost, and has not proved itself since
	VerdictDrained   Verdict = "drained"             // operators took it out of service
	VerdictForbidden Verdict = "forbidden"           // residency keeps the caller's rows out of it
)

// Candidate is a region, and what the decision makes of it.
type Candidate struct {
	Region  regions.Name
	Route   Route
	Verdict Verdict
	Healthy int // instances
	Total   int
	Health  int           // its score in percent: how much of its share it can take
	Share   int           // percent of the callers of requests like this one
	RTT     time.Duration // from the edge

	index int
}

// usable reports whether the candidate may be tried at all.
func (c *Candidate) usable() bool {
	return c.Verdict == VerdictServes || c.Verdict == VerdictShares || c.Verdict == VerdictReserve
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

// Decision says where a request goes. The zero Decision has no candidate.
type Decision struct {
	Basis     Basis
	Panic     bool // fewer than half of the instances are healthy in every region: all are used
	Forbidden bool // residency is why nobody may serve
	Drained   bool // the region of a hard pin is drained

	rows   bool // the request touches a user's rows
	n      int  // candidates
	serves int  // index of the one that serves; -1: none
	trial  int  // index of an ejected one before it that may be tried; -1: none
	list   [MaxRegions]Candidate
}

// Candidates returns the regions in the order of preference, whether or not they may be tried. The slice is
// the decision's own.
func (d *Decision) Candidates() []Candidate { return d.list[:d.n] }

// First returns the region that serves, and false when there is none.
func (d *Decision) First() (Candidate, bool) {
	if d.n == 0 || d.serves < 0 {
		return Candidate{}, false
	}
	return d.list[d.serves], true
}

// Next returns the region to try after so many others, and false when there are no more: the one that serves,
// then the others that may, in the order of preference.
func (d *Decision) Next(tried int) (*Candidate, bool) {
	if d.n == 0 || d.serves < 0 {
		return nil, false
	}
	if tried == 0 {
		return &d.list[d.serves], true
	}
	for i := range d.list[:d.n] {
		if i == d.serves || !d.list[i].usable() {
			continue
		}
		if tried--; tried == 0 {
			return &d.list[i], true
		}
	}
	return nil, false
}

// Trial returns the ejected region that would serve if it were known to work, when a request may find out.
func (d *Decision) Trial() (Candidate, bool) {
	if d.n == 0 || d.trial < 0 {
		return Candidate{}, false
	}
	return d.list[d.trial], true
}

// Policy decides for one edge. It never changes.
type Policy struct {
	edge    int
	names   []regions.Name
	order   [][]int         // by region: all, nearest first
	rtt     []time.Duration // from the edge
	allowed []uint32        // by home: the set of regions where its users may be served
}

// NewPolicy returns the policy of an edge.
func NewPolicy(set *regions.Set, edge regions.Name, proximity *geo.Proximity) (*Policy, error) {
	p := &Policy{edge: -1, names: set.Names()}
	if len(p.names) > MaxRegions {
		return nil, fmt.Errorf("decide: the set has %d regions, at most %d can be decided between", len(p.names), MaxRegions)
	}
	if p.edge = p.indexOf(edge); p.edge < 0 {
		return nil, fmt.Errorf("decide: the edge's region %q is not in the set of regions", edge)
	}
	for _, from := range p.names {
		var order []int
		for _, to := range proximity.From(from) {
			if i := p.indexOf(to); i >= 0 {
				order = append(order, i)
			}
		}
		if len(order) != len(p.names) {
			return nil, fmt.Errorf("decide: the proximity from %s does not rank every region", from)
		}
		var allowed uint32
		for i, to := range p.names {
			if set.MayServe(from, to) {
				allowed |= 1 << i
			}
		}
		p.order, p.allowed = append(p.order, order), append(p.allowed, allowed)
		p.rtt = append(p.rtt, proximity.RTT(edge, from))
	}
	return p, nil
}

// indexOf returns a region's place in the set, or -1.
func (p *Policy) indexOf(n regions.Name) int {
	if n == "" {
		return -1
	}
	for i := range p.names {
		if p.names[i] == n {
			return i
		}
	}
	return -1
}

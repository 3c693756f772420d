// Package internet models what lies between shoppers and the edges: callers in real cities, the round trip
// from each to each edge, and the anycast or latency-DNS layer that sends a city to the nearest edge that
// answers its health checks. Distances are really waited for, on both directions of every connection and on
// its handshake. Edges announce, withdraw and restore as a network would; what it did is on record.
//
// Everything here is safe for concurrent use.
package internet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrNoEdge says that no edge is announced and none answers, so that callers reach nothing.
var ErrNoEdge = errors.New("internet: no edge is announced")

// Edge is one entry into the system.
type Edge struct {
	Region regions.Name
	Place  regions.Place
	Addr   string // host:port
}

// Config is what an Internet is made of. An Interval and a Timeout of zero mean those of Fast.
type Config struct {
	Edges  []Edge
	Cities []City
	Profile

	// Probe asks an edge for its health; by default GET /.well-known/meridian/ready must answer 200.
	Probe func(ctx context.Context, e Edge) error
}

// Change is one announcement or withdrawal of an edge.
type Change struct {
	At     time.Time
	Region regions.Name
	Up     bool
}

// Internet sends callers to edges. Run keeps its view of their health fresh.
type Internet struct {
	cfg    Config
	cities map[string]*access

	mu      sync.Mutex
	edges   []*edge
	changes []Change // as the checks came to them
}

// edge is an Edge and what the network knows of it; guarded by Internet.mu.
type edge struct {
	Edge
	up     bool // as its checks say
	keeps  bool // connections, though it is withdrawn: it declined
	streak int  // checks in a row that disagree with up
	conns  map[*conn]struct{}
}

// access is a city's way to the edges.
type access struct {
	City
	lag       time.Duration // until it hears of a change
	order     []*edge       // nearest first
	transport *http.Transport
}

// EdgesOf returns the edges of a planned simulation.
func EdgesOf(p *topology.Plan) []Edge {
	var out []Edge
	for _, r := range p.Regions {
		place, _ := p.Catalog.Lookup(r.Name)
		out = append(out, Edge{Region: r.Name, Place: place.Place, Addr: r.Edge})
	}
	return out
}

// New makes an Internet whose edges are all announced.
func New(cfg Config) (*Internet, error) {
	if len(cfg.Edges) == 0 || len(cfg.Cities) == 0 {
		return nil, errors.New("internet: it takes at least one edge and one city")
	}
	cfg.Interval = cmp.Or(cfg.Interval, Fast().Interval)
	cfg.Timeout = cmp.Or(cfg.Timeout, Fast().Timeout)
	if cfg.Probe == nil {
		cfg.Probe = probe(cfg.Timeout)
	}
	n := &Internet{cfg: cfg, cities: map[string]*access{}}
	for _, e := range cfg.Edges {
		n.edges = append(n.edges, &edge{Edge: e, up: true, conns: map[*conn]struct{}{}})
	}
	for i, c := range cfg.Cities {
		if _, twice := n.cities[c.Place.City]; twice {
			return nil, fmt.Errorf("internet: city %s is listed twice", c.Place.City)
		}
		// Each city's resolver asked at another time, neighbors at quite different ones; the last one's answer is as old as may be.
		asked := 4*i%len(cfg.Cities) + 1
		n.cities[c.Place.City] = n.access(c, cfg.Shift+cfg.TTL*time.Duration(asked)/time.Duration(len(cfg.Cities)))
	}
	return n, nil
}

func (n *Internet) access(c City, lag time.Duration) *access {
	a := &access{City: c, lag: lag, order: slices.Clone(n.edges)}
	slices.SortStableFunc(a.order, func(x, y *edge) int { return cmp.Compare(a.rtt(x), a.rtt(y)) })
	a.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			at := slices.IndexFunc(a.order, func(e *edge) bool { return e.Addr == addr })
			if at < 0 {
				return nil, fmt.Errorf("internet: %s is not an edge", addr)
			}
			return n.connect(ctx, a, a.order[at])
		},
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
	}
	return a
}

func (a *access) rtt(e *edge) time.Duration { return regions.EstimateRTT(a.Place, e.Place) }

// Nearest returns the region whose edge is nearest to a city when all are announced; "" for an unknown city.
func (n *Internet) Nearest(city string) regions.Name {
	if a, ok := n.cities[city]; ok {
		return a.order[0].Region
	}
	return ""
}

// entry returns the edge where a city's requests enter now: the nearest that is announced or, when none is, the nearest
// that answers its checks, if only to decline. The error is ErrNoEdge.
func (n *Internet) entry(a *access) (*edge, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at := slices.IndexFunc(a.order, func(e *edge) bool { return n.announced(e.Region, a.lag) }); at >= 0 {
		return a.order[at], nil
	}
	// Load balancers fail open: with no healthy target, those that at least answer.
	if at := slices.IndexFunc(a.order, func(e *edge) bool { return e.keeps }); at >= 0 {
		return a.order[at], nil
	}
	return nil, ErrNoEdge
}

// announced reports whether those who hear of a change so late are sent to a region's edge now. The caller holds mu.
func (n *Internet) announced(r regions.Name, lag time.Duration) bool {
	for _, c := range slices.Backward(n.changes) {
		if c.Region == r && time.Since(c.At) >= lag {
			return c.Up
		}
	}
	return true
}

// RTT returns the modeled round trip between a city and a region's edge.
func (n *Internet) RTT(city string, r regions.Name) time.Duration {
	a, ok := n.cities[city]
	if !ok {
		return 0
	}
	for _, e := range a.order {
		if e.Region == r {
			return a.rtt(e)
		}
	}
	return 0
}

// Announced reports whether callers of every city are sent to a region's edge.
func (n *Internet) Announced(r regions.Name) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := slices.ContainsFunc(n.edges, func(e *edge) bool { return e.Region == r })
	return known && n.announced(r, n.cfg.Shift+n.cfg.TTL)
}

// Changes returns every withdrawal and restoration that all callers have heard of, oldest first, each as of the moment
// at which the last of them did.
func (n *Internet) Changes() []Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Change
	for _, c := range n.changes {
		if c.At = c.At.Add(n.cfg.Shift + n.cfg.TTL); !c.At.After(time.Now()) {
			out = append(out, c)
		}
	}
	return out
}

// Close drops every connection. Requests under way fail.
func (n *Internet) Close() {
	for _, a := range n.cities {
		a.transport.CloseIdleConnections()
	}
	n.mu.Lock()
	var open []*conn
	for _, e := range n.edges {
		open = slices.AppendSeq(open, maps.Keys(e.conns))
	}
	n.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

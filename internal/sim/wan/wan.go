// Package wan is the network between the regions: a toxiproxy for every endpoint that one region calls in
// another, at the address where the plan says that the caller reaches it. Each carries its share of the
// declared round trip, half on either way, and can lose, cut or slow what it carries, one way or both.
//
// A proxy accepts a connection at once, so only what is said on a connection pays the distance, not its
// opening; where nothing listens at the far end, it refuses as that would, if it is told (Dead). There is no
// bandwidth limit.
package wan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrUnknownLink says that a link's regions are not two of the plan.
var ErrUnknownLink = errors.New("wan: no link between these regions")

// Link is one direction of the WAN between two regions.
type Link struct {
	From regions.Name `json:"from"`
	To   regions.Name `json:"to"`
}

// Network is the WAN of one simulation. It is safe for concurrent use.
type Network struct {
	plan *topology.Plan

	mu     sync.Mutex
	pipes  []*pipe
	faults map[Link]Fault
	dead   map[string]bool // endpoints where nothing listens
}

// Open starts every proxy of a plan. Errors name the address that is in use.
func Open(plan *topology.Plan) (*Network, error) {
	n := &Network{plan: plan, faults: map[Link]Fault{}, dead: map[string]bool{}}
	for from, to := range pairs(plan) {
		for _, addr := range endpoints(to) {
			if err := n.open(from, to, addr); err != nil {
				n.Close()
				return nil, err
			}
		}
	}
	return n, nil
}

// Addresses lists where a plan's proxies listen.
func Addresses(plan *topology.Plan) []string {
	var all []string
	for from, to := range pairs(plan) {
		for _, addr := range endpoints(to) {
			all = append(all, plan.Across(from, to, addr))
		}
	}
	return all
}

// pairs are a plan's regions, each with each other one.
func pairs(plan *topology.Plan) iter.Seq2[topology.Region, topology.Region] {
	return func(yield func(from, to topology.Region) bool) {
		for _, from := range plan.Regions {
			for _, to := range plan.Regions {
				if from.Number != to.Number && !yield(from, to) {
					return
				}
			}
		}
	}
}

// endpoints lists what other regions call in a region.
func endpoints(r topology.Region) []string {
	addrs := []string{r.Consul}
	for _, s := range r.Stacks {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

func (n *Network) open(from, to topology.Region, addr string) error {
	p := newPipe(n.plan.Across(from, to, addr), addr)
	p.streams = map[Link]string{{from.Name, to.Name}: "upstream", {to.Name, from.Name}: "downstream"}
	if err := p.proxy.Start(); err != nil {
		return fmt.Errorf("wan: from %s to %s: %w", from.Name, to.Name, err)
	}
	n.pipes = append(n.pipes, p)
	rtt := n.plan.Catalog.RTT(from.Name, to.Name).Milliseconds()
	return errors.Join(
		p.add("distance_upstream", "latency", "upstream", map[string]int64{"latency": rtt / 2}),
		p.add("distance_downstream", "latency", "downstream", map[string]int64{"latency": rtt - rtt/2}),
	)
}

// Close cuts every connection and stops listening.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pipes {
		_ = p.stop(true) // stopping does not fail
	}
	n.pipes = nil
}

// pipe carries the connections that a region opens to one endpoint of another.
type pipe struct {
	proxy   *toxiproxy.Proxy
	stopped bool
	streams map[Link]string  // what the caller sends and what it is answered go opposite ways
	faults  map[string]Fault // by stream, as they are in force
}

func newPipe(listen, to string) *pipe {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	return &pipe{proxy: toxiproxy.NewProxy(server, listen, listen, to), faults: map[string]Fault{}}
}

// stop has the proxy refuse and close connections, or take them again.
func (p *pipe) stop(stop bool) error {
	switch {
	case stop && !p.stopped:
		p.proxy.Stop()
	case !stop && p.stopped:
		if err := p.proxy.Start(); err != nil {
			return fmt.Errorf("wan: open again: %w", err)
		}
	}
	p.stopped = stop
	return nil
}

// set has a fault on one stream in place of what was wrong with it. Connections that lost data are closed.
func (p *pipe) set(stream string, f Fault) error {
	if p.faults[stream] == f {
		return nil
	}
	toxic := "fault_" + stream
	if p.proxy.Toxics.GetToxic(toxic) != nil {
		if err := p.proxy.Toxics.RemoveToxic(context.Background(), toxic); err != nil {
			return fmt.Errorf("wan: toxic %s: %w", toxic, err)
		}
	}
	p.faults[stream] = f
	switch f.Kind {
	case Blackhole:
		return p.add(toxic, "timeout", stream, map[string]int64{"timeout": 0})
	case Slow:
		rounded := (f.Extra + time.Millisecond - 1).Milliseconds() // up, so that a positive duration stays one
		return p.add(toxic, "latency", stream, map[string]int64{"latency": rounded})
	default: // Cut is of the whole pipe
		return nil
	}
}

func (p *pipe) add(name, kind, stream string, attributes map[string]int64) error {
	text, err := json.Marshal(map[string]any{
		"name": name, "type": kind, "stream": stream, "toxicity": 1, "attributes": attributes,
	})
	if err != nil {
		return fmt.Errorf("wan: toxic: %w", err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
		return fmt.Errorf("wan: toxic %s: %w", name, err)
	}
	return nil
}

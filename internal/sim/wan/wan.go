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
}

// pipe carries the connections that region from opens to one endpoint of region to.
type pipe struct {
	from, to regions.Name
	proxy    *toxiproxy.Proxy
	cut      bool // by a fault
	dead     bool // nothing listens at its far end
	stopped  bool
}

// Open starts every proxy of a plan. Errors name the address that is in use.
func Open(plan *topology.Plan) (*Network, error) {
	n := &Network{plan: plan, faults: map[Link]Fault{}}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	for _, from := range plan.Regions {
		for _, to := range plan.Regions {
			if from.Number == to.Number {
				continue
			}
			for _, addr := range endpoints(to) {
				if err := n.open(server, from, to, addr); err != nil {
					n.Close()
					return nil, err
				}
			}
		}
	}
	return n, nil
}

// Addresses lists where a plan's proxies listen.
func Addresses(plan *topology.Plan) []string {
	var all []string
	for _, from := range plan.Regions {
		for _, to := range plan.Regions {
			if from.Number == to.Number {
				continue
			}
			for _, addr := range endpoints(to) {
				all = append(all, plan.Across(from, to, addr))
			}
		}
	}
	return all
}

// endpoints lists what other regions call in a region.
func endpoints(r topology.Region) []string {
	addrs := []string{r.Consul}
	for _, s := range r.Stacks {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

func (n *Network) open(server *toxiproxy.ApiServer, from, to topology.Region, addr string) error {
	listen := n.plan.Across(from, to, addr)
	p := &pipe{from: from.Name, to: to.Name, proxy: toxiproxy.NewProxy(server, listen, listen, addr)}
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
		p.cut = true
		_ = p.apply() // stopping does not fail
	}
	n.pipes = nil
}

// apply starts or stops the proxy as its faults want.
func (p *pipe) apply() error {
	switch stop := p.cut || p.dead; {
	case stop && !p.stopped:
		p.proxy.Stop()
	case !stop && p.stopped:
		if err := p.proxy.Start(); err != nil {
			return fmt.Errorf("wan: open again: %w", err)
		}
	}
	p.stopped = p.cut || p.dead
	return nil
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

func (p *pipe) remove(name string) error {
	if p.proxy.Toxics.GetToxic(name) == nil {
		return nil
	}
	if err := p.proxy.Toxics.RemoveToxic(context.Background(), name); err != nil {
		return fmt.Errorf("wan: toxic %s: %w", name, err)
	}
	return nil
}

// stream returns the stream of the pipe that a direction of the WAN carries, if any: what the caller sends and what
// it is answered go opposite ways.
func (p *pipe) stream(l Link) (string, bool) {
	switch l {
	case Link{p.from, p.to}:
		return "upstream", true
	case Link{p.to, p.from}:
		return "downstream", true
	}
	return "", false
}

// millis rounds up, so that a positive duration stays one.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

package capacity

import (
	"fmt"
	"math"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	workers     = 3 // pods of payment and relay in a region: one works, the others stand by
	workerVCPU  = 0.25
	workerGiB   = 0.25
	zones       = 3
	cacheCopies = 3 // of each cache node: a primary and two replicas, one in each zone
	mostNodes   = 9 // of the database in a region, before larger ones are taken
)

// wanted is a size that one reason asks for.
type wanted struct {
	size float64
	why  string
}

// largest returns the largest size that is asked for, and why; of equal ones the first.
func largest(all ...wanted) wanted {
	out := all[0]
	for _, w := range all[1:] {
		if w.size > out.size {
			out = w
		}
	}
	return out
}

// size sizes every region for the worlds that the plan is to bear.
func (m *making) size(p *Plan) {
	for _, name := range m.names {
		r := RegionPlan{
			Region: name, Share: m.shares[name], OrdersPerSecond: m.homes[name].orders, RequestsPerSecond: m.homes[name].total(),
			Worker: Pods{workers, "one works, the others stand by"},
		}
		needs := m.needs(name)
		a := m.Assumptions
		pod := func(of func(need) float64) []wanted { return needs.sizes(of, a.PodVCPU, a) }
		fewest := wanted{float64(a.FewestPods), "one in each zone"}
		count := func(all []wanted) Pods {
			w := largest(append([]wanted{fewest}, all...)...)
			return Pods{int(w.size), w.why}
		}
		r.Edge = count(pod(func(n need) float64 { return n.edge }))
		r.Browse = count(pod(func(n need) float64 { return n.browse }))
		pools := needs.sizes(func(n need) float64 { return n.connections }, float64(a.ConnsPerPod), a)
		r.Checkout = count(append(pod(func(n need) float64 { return n.checkout }), named(pools, "connections")...))
		if m.Fleet != nil {
			r.Checkout = Pods{max(1, m.Fleet[name]), "given"}
		}
		m.nodes(&r)
		m.databaseNodes(&r, needs, p.Storage)
		m.cacheNodes(&r, needs)
		p.Regions = append(p.Regions, r)
	}
}

// scenario is a need and what has happened then.
type scenario struct {
	need
	lost regions.Name
}

type scenarios []scenario

// needs returns what a region needs in each world that the plan is to bear.
func (m *making) needs(name regions.Name) scenarios {
	var out scenarios
	for _, w := range m.worlds(m.names) {
		if w.lost == name || w.lost != "" && m.Headroom != SurviveRegion {
			continue
		}
		served, _ := w.loads(m.homes, m.names)
		out = append(out, scenario{m.need(w, name, served), w.lost})
	}
	return out
}

// sizes returns how many units each scenario asks for, where a unit gives so much.
func (s scenarios) sizes(of func(need) float64, unit float64, a Assumptions) []wanted {
	var out []wanted
	for _, c := range s {
		w := wanted{math.Ceil(of(c.need)/(unit*a.Target) - slack), "peak"}
		if c.lost != "" {
			w = wanted{math.Ceil(of(c.need)/(unit*a.Limit) - slack), string(c.lost) + " lost"}
		}
		out = append(out, w)
	}
	return out
}

// named adds what is short to the reasons.
func named(all []wanted, what string) []wanted {
	var out []wanted
	for _, w := range all {
		out = append(out, wanted{w.size, what + ", " + w.why})
	}
	return out
}

// nodes packs the pods of a region on the cheapest machines, as many in each zone.
func (m *making) nodes(r *RegionPlan) {
	a := m.Assumptions
	pods := float64(r.Edge.Count + r.Browse.Count + r.Checkout.Count)
	vcpu := pods*a.PodVCPU + workers*workerVCPU
	gib := pods*a.PodGiB + workers*workerGiB
	cheapest := math.Inf(1)
	for _, k := range m.Prices.of(roleNode) {
		free := 1 - a.NodeReserved
		count := zones * math.Ceil(max(vcpu/(float64(k.VCPU)*free), gib/(k.MemoryGiB*free))/zones-slack)
		if price := count * k.Hour; price < cheapest {
			cheapest = price
			r.Nodes = Machines{int(count), k.Kind, k.VCPU, k.MemoryGiB, "pods"}
		}
	}
}

// databaseNodes chooses the smallest machines of which so many as mostNodes have the vCPU, bear the connections and
// hold the rows; else the largest. There are as many in each zone.
func (m *making) databaseNodes(r *RegionPlan, needs scenarios, s Storage) {
	a := m.Assumptions
	vcpu := largest(append(named(needs.sizes(func(n need) float64 { return n.database }, 1, a), "processors"),
		named(needs.sizes(func(n need) float64 { return n.connections / a.ConnsPerVCPU }, 1, a), "connections")...)...)
	disk := s.DiskGiB * m.diskShare(r.Region)
	vcpu = largest(vcpu, wanted{math.Ceil(disk/a.GiBPerVCPU - slack), "disk for each vCPU"})
	for _, k := range m.Prices.of(roleDatabase) {
		w := largest(wanted{float64(a.FewestDatabase), "one in each zone"}, wanted{math.Ceil(vcpu.size/float64(k.VCPU) - slack), vcpu.why},
			wanted{math.Ceil(disk/a.GiBPerNode - slack), "disk for each node"})
		count := zones * math.Ceil(w.size/zones-slack)
		r.Database = Machines{int(count), k.Kind, k.VCPU, k.MemoryGiB, w.why}
		if count <= mostNodes {
			break
		}
	}
	r.DiskGiB = math.Ceil(max(smallestDisk, disk/float64(r.Database.Count)) - slack)
}

const smallestDisk = 100 // GiB: logs, and room to rebuild copies

// diskShare is a region's part of all copies: two of five of its own rows, and three of five of the others' evenly.
func (m *making) diskShare(name regions.Name) float64 {
	others := float64(len(m.names) - 1)
	if others == 0 {
		return 1
	}
	return 0.4*m.shares[name] + 0.6*(1-m.shares[name])/others
}

// cacheNodes chooses the cheapest kind and number of shards, each with its replicas.
func (m *making) cacheNodes(r *RegionPlan, needs scenarios) {
	bytes := 0.0
	why := ""
	for _, c := range needs {
		if c.cache > bytes {
			bytes = c.cache
			why = "peak"
			if c.lost != "" {
				why = string(c.lost) + " lost"
			}
		}
	}
	cheapest := math.Inf(1)
	for _, k := range m.Prices.of(roleCache) {
		shards := max(1, math.Ceil(bytes/(k.MemoryGiB*(1<<30)*m.Assumptions.CacheFull)-slack))
		if price := shards * k.Hour; price < cheapest {
			cheapest = price
			r.Cache = Machines{int(shards) * cacheCopies, k.Kind, k.VCPU, k.MemoryGiB, fmt.Sprintf("%.1f GiB, %s", bytes/(1<<30), why)}
		}
	}
}

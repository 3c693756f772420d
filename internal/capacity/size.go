package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"

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
	return slices.MaxFunc(all, func(a, b wanted) int { return cmp.Compare(a.size, b.size) })
}

// size sizes every region for the worlds that the plan is to bear.
func (m *making) size(p *Plan) {
	a := m.Assumptions
	for _, name := range m.names {
		r := RegionPlan{
			Region: name, Share: m.shares[name], OrdersPerSecond: m.homes[name].orders, RequestsPerSecond: m.homes[name].total(),
			Worker: Pods{workers, "one works, the others stand by"},
		}
		count := func(all []wanted) Pods {
			w := largest(append([]wanted{{float64(a.FewestPods), "one in each zone"}}, all...)...)
			return Pods{int(w.size), w.why}
		}
		r.Edge = count(m.sizes(name, "", a.PodVCPU, func(n need) float64 { return n.edge }))
		r.Browse = count(m.sizes(name, "", a.PodVCPU, func(n need) float64 { return n.browse }))
		r.Checkout = count(append(m.sizes(name, "", a.PodVCPU, func(n need) float64 { return n.checkout }),
			m.sizes(name, "connections, ", float64(a.ConnsPerPod), func(n need) float64 { return n.connections })...))
		if m.Fleet != nil {
			r.Checkout = Pods{max(1, m.Fleet[name]), "given"}
		}
		r.Nodes = m.nodes(r)
		m.databaseNodes(&r, p.Storage)
		r.Cache = m.cacheNodes()
		p.Regions = append(p.Regions, r)
	}
}

// sizes returns how many units each world that the plan is to bear asks of a region, where a unit gives so much. The
// reasons begin with what is short.
func (m *making) sizes(name regions.Name, short string, unit float64, of func(need) float64) []wanted {
	var out []wanted
	for _, w := range m.worlds {
		use := m.Assumptions.Target
		why := short + "peak"
		if w.lost != "" {
			use = m.Assumptions.Limit
			why = short + string(w.lost) + " lost"
		}
		if w.lost == "" || w.lost != name && m.Headroom == SurviveRegion {
			out = append(out, wanted{math.Ceil(of(w.needs[name])/(unit*use) - slack), why})
		}
	}
	return out
}

// cheapest chooses the machines of a role that cost least, where count says how many of a kind it takes.
func (m *making) cheapest(role, bound string, count func(Kind) float64) Machines {
	var best Machines
	least := math.Inf(1)
	for _, k := range m.Prices.of(role) {
		n := count(k)
		if price := n * k.Hour; price < least {
			least = price
			best = Machines{int(n), k.Kind, k.VCPU, k.MemoryGiB, bound}
		}
	}
	return best
}

// nodes packs the pods of a region on machines, as many in each zone.
func (m *making) nodes(r RegionPlan) Machines {
	a := m.Assumptions
	pods := float64(r.Edge.Count + r.Browse.Count + r.Checkout.Count)
	vcpu := pods*a.PodVCPU + workers*workerVCPU
	gib := pods*a.PodGiB + workers*workerGiB
	free := 1 - a.NodeReserved
	return m.cheapest(roleNode, "pods", func(k Kind) float64 {
		return zones * math.Ceil(max(vcpu/(float64(k.VCPU)*free), gib/(k.MemoryGiB*free))/zones-slack)
	})
}

// databaseNodes chooses the smallest machines of which so many as mostNodes have the vCPU, bear the connections and
// hold the rows; else the largest. There are as many in each zone.
func (m *making) databaseNodes(r *RegionPlan, s Storage) {
	a := m.Assumptions
	disk := s.DiskGiB * m.diskShare(r.Region)
	reasons := m.sizes(r.Region, "processors, ", 1, func(n need) float64 { return n.database })
	reasons = append(reasons, m.sizes(r.Region, "connections, ", 1, func(n need) float64 { return n.connections / a.ConnsPerVCPU })...)
	vcpu := largest(append(reasons, wanted{math.Ceil(disk/a.GiBPerVCPU - slack), "disk for each vCPU"})...)
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

// cacheNodes chooses the kind and the number of shards, each with its replicas.
func (m *making) cacheNodes() Machines {
	bytes := m.cached()
	return m.cheapest(roleCache, fmt.Sprintf("%.1f GiB, peak", bytes/(1<<30)), func(k Kind) float64 {
		return cacheCopies * max(1, math.Ceil(bytes/(k.MemoryGiB*(1<<30)*m.Assumptions.CacheFull)-slack))
	})
}

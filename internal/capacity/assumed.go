package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// assumed lists every figure that the plan rests on and that was not measured, and what was, with its date.
func (m *making) assumed() []Assumed {
	a := m.Assumptions
	p := m.Profile
	var mix []string
	for _, j := range p.Journeys {
		w := j.Weight
		if len(m.Demand.Mix) > 0 {
			w = m.Demand.Mix[j.Name]
		}
		mix = append(mix, fmt.Sprintf("%s %v", j.Name, w))
	}
	basis := "the load generator's"
	if len(m.Demand.Mix) > 0 {
		basis = "given"
	}
	return []Assumed{
		{"cost of requests", fmt.Sprintf("profile of %s, %s, %d processors", p.Date, p.Machine.Processor, p.Machine.CPUs), "measured: " + p.Model},
		{"mix of journeys", strings.Join(mix, ", "), basis},
		{"sign-ins for each order", fmt.Sprint(a.SignIns), "assumed"},
		{"peak over mean", fmt.Sprint(a.PeakToMean), "assumed; sizes storage and traffic"},
		{"use at the peak", "at most " + percent(a.Target), "chosen"},
		{"use with a region lost", "at most " + percent(a.Limit), "chosen"},
		{"callers of a lost region", "go to the nearest one by round trip that may serve them, all of them", "the region catalog"},
		{"connection held", fmt.Sprintf("%v ms and, where something is written, the quorum's round trip", a.StatementMs), "assumed, and the region catalog"},
		{"connections", fmt.Sprintf("%d for each checkout pod; %v for each vCPU of the database", a.ConnsPerPod, a.ConnsPerVCPU), "database.max_conns; CockroachDB's guidance on pools"},
		{"payments", fmt.Sprintf("%d of a region worked on at the same time", a.Payments), "payment.concurrency, as deploy/k8s sets it"},
		{"database work", fmt.Sprintf("%v rows written a second, or %v reading transactions, for each vCPU", a.RowsPerVCPU, a.ReadsPerVCPU), "CockroachDB's published TPC-C; reads assumed"},
		{"database copies", fmt.Sprintf("%d of each row, two of them at home; work divided half and half between lease and copies", a.CopiesOfRow), "region survival; the division is assumed"},
		{"database machines", fmt.Sprintf("at least %d in a region, at most %v GiB for each vCPU and %v for each node", a.FewestDatabase, a.GiBPerVCPU, a.GiBPerNode), "CockroachDB's production checklist"},
		{"disks", fmt.Sprintf("%s full after %d months; neither compressed nor fragmented", percent(a.DiskFull), a.Months), "chosen"},
		{"cache", fmt.Sprintf("%d products, %s full; a primary and two replicas", a.Products, percent(a.CacheFull)), "assumed; terraform/"},
		{"pods", fmt.Sprintf("%v vCPU and %v GiB each; at least %d of a deployment; %s of a node is the system's", a.PodVCPU, a.PodGiB, a.FewestPods, percent(a.NodeReserved)), "deploy/k8s; assumed"},
		{"best seller", percent(a.HotShare) + " of the orders hold the same variant", "assumed"},
		{"payment provider", fmt.Sprintf("answers within %v ms", a.ProviderMs), "assumed"},
		{"prices", fmt.Sprintf("list prices of %s, everything runs all the time", m.Prices.Date), "declared; prices.yaml"},
	}
}

// round rounds every figure of a plan to what it can mean, so that it prints the same wherever it is worked out.
func (p *Plan) round() {
	d := &p.Demand
	cents(&d.OrdersPerSecond, &d.RequestsPerSecond)
	for r, rate := range d.RequestsPerOrder {
		cents(&rate)
		d.RequestsPerOrder[r] = rate
	}
	for i := range p.Regions {
		r := &p.Regions[i]
		cents(&r.OrdersPerSecond, &r.RequestsPerSecond, &r.DiskGiB, &r.Month)
		round(4, &r.Share)
	}
	for i := range p.Losses {
		cents(&p.Losses[i].Unserved)
		for j := range p.Losses[i].Others {
			s := &p.Losses[i].Others[j]
			cents(&s.OrdersPerSecond, &s.CommitMillis)
			round(4, &s.Edge, &s.Browse, &s.Checkout, &s.Connections, &s.Database, &s.Cache)
		}
	}
	s := &p.Storage
	cents(&s.OrdersPerDay, &s.BytesPerOrder, &s.KeptGiB, &s.MonthGiB, &s.DiskGiB)
	cents(&p.Cost.Month)
	for i := range p.Cost.Items {
		cents(&p.Cost.Items[i].Month)
	}
	p.Refusals = slices.Compact(p.Refusals)
}

func cents(figures ...*float64) { round(2, figures...) }

func round(digits int, figures ...*float64) {
	scale := math.Pow10(digits)
	for _, f := range figures {
		*f = math.Round(*f*scale) / scale
	}
}

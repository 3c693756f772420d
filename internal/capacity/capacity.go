// Package capacity plans how much of everything a shop needs: pods, nodes, database, caches, disks and money, from
// what one request was measured to cost, and proves on paper that the loss of any one region leaves the others
// below their limits. It also forecasts traffic from that of the past.
//
// The package is pure: the same input gives the same plan, and nothing here reads a clock, a file or the network.
// What cannot be measured on one machine is an assumption that the plan states: see Assumptions.
package capacity

import (
	"fmt"
	"math"
	"slices"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Headroom says which loss a plan must bear.
type Headroom string

// The headrooms.
const (
	SurviveRegion Headroom = "region" // any one region
	SurviveNone   Headroom = "none"   // none: things are sized for the peak with every region alive
)

// Input is what a plan is made from.
type Input struct {
	Catalog     *regions.Set
	Regions     []regions.Name // of the catalog; empty: all
	Demand      Demand
	Headroom    Headroom
	Fleet       map[regions.Name]int // checkout pods that there are, instead of as many as are needed; nil: plan them
	Profile     Profile
	Prices      Prices
	Assumptions Assumptions
}

// Demand is what callers are expected to ask for.
type Demand struct {
	Orders float64                  // a second at the peak, in all regions together
	Growth float64                  // times Orders
	Daily  float64                  // orders a day, the mean of a month; 0: the peak's rate over Assumptions.PeakToMean
	Shares map[regions.Name]float64 // of the orders, in proportion to each other; empty: equal
	Mix    map[string]float64       // weights of the profile's journeys; empty: the profile's own
}

// Assumptions are the figures that were not measured here. Shares are parts of 1.
type Assumptions struct {
	Target         float64 // of its capacity, what anything is planned to use at the peak
	Limit          float64 // what it may use at most with a region lost
	PeakToMean     float64 // the peak's rate over the mean of a month
	SignIns        float64 // for each order
	HotShare       float64 // of the orders, those of the one product variant that sells best
	Months         int     // of growth that disks have room for
	StatementMs    float64 // that a transaction holds its connection for, besides waiting for its quorum
	ProviderMs     float64 // that the payment provider takes for an answer
	Products       int     // in the catalog
	CopiesOfRow    int     // that the database keeps: 5 where it survives the loss of a region
	RowsPerVCPU    float64 // written in a second by one vCPU of the database, with all reads that go with them
	ReadsPerVCPU   float64 // transactions in a second that only read
	GiBPerVCPU     float64 // of storage, at most
	GiBPerNode     float64 // of storage, at most
	ConnsPerVCPU   float64 // of the database, at most
	ConnsPerPod    int     // of a checkout pod: database.max_conns
	Payments       int     // of a region worked on at the same time: payment.concurrency
	PodVCPU        float64 // that a pod of any kind requests
	PodGiB         float64 // of memory
	NodeReserved   float64 // of a node's vCPU and memory: what Kubernetes and its agents take
	DiskFull       float64 // of a disk, at most
	CacheFull      float64 // of a cache node's memory, at most
	FewestPods     int     // of a deployment: one in each zone
	FewestDatabase int     // nodes in a region: one in each zone
}

// DefaultAssumptions returns the figures that docs/explanation/capacity.md gives the grounds of.
func DefaultAssumptions() Assumptions {
	return Assumptions{
		Target: 0.6, Limit: 0.85, PeakToMean: 3, SignIns: 1, HotShare: 0.04, Months: 12, StatementMs: 10, ProviderMs: 100,
		Products: 10_000, CopiesOfRow: 5, RowsPerVCPU: 370, ReadsPerVCPU: 2000, GiBPerVCPU: 320, GiBPerNode: 10 * 1024,
		ConnsPerVCPU: 4, ConnsPerPod: 16, Payments: 32, PodVCPU: 1, PodGiB: 0.5, NodeReserved: 0.15, DiskFull: 0.7, CacheFull: 0.75,
		FewestPods: 3, FewestDatabase: 3,
	}
}

// maxOrders bounds the orders a second that a plan is made for; far below, floating-point figures stay exact enough.
const maxOrders = 10_000_000

// validate returns the regions to plan for. Its errors are fault.Invalid PLAN_INVALID.
func (in Input) validate() ([]regions.Name, error) {
	d := in.Demand
	a := in.Assumptions
	switch peak := d.Orders * d.Growth; {
	case in.Catalog == nil:
		return nil, invalid("there is no region catalog")
	case !(d.Orders > 0) || !(d.Growth > 0) || !(peak <= maxOrders):
		return nil, invalid("%v orders a second, growing %v times, cannot be planned for: it takes more than none and at most %d", d.Orders, d.Growth, maxOrders)
	case !(d.Daily >= 0) || d.Daily > maxOrders*86400:
		return nil, invalid("%v orders a day cannot be planned for", d.Daily)
	case in.Headroom != SurviveRegion && in.Headroom != SurviveNone:
		return nil, invalid("a plan has headroom for the loss of a region, or of none; not of %q", in.Headroom)
	case !share(a.Target) || !share(a.Limit) || a.Limit < a.Target:
		return nil, invalid("things are to use at most all that they have, and with a region lost no less than before; not %v and %v of it", a.Target, a.Limit)
	case !(a.PeakToMean >= 1 && a.PeakToMean <= 1000) || !(a.SignIns >= 0 && a.SignIns <= 1000) || !(a.HotShare >= 0 && a.HotShare <= 1):
		return nil, invalid("a peak is at least the mean, sign-ins are not negative, and the best seller's share is at most 1")
	case a.ConnsPerPod < 1 || a.Payments < 1 || a.Products < 0:
		return nil, invalid("a pod has at least one connection, a region works on at least one payment, and a catalog has no fewer than no products")
	case a.Months < 1 || a.Months > 120:
		return nil, invalid("disks have room for 1 to 120 months, not %d", a.Months)
	}
	names := in.Regions
	if len(names) == 0 {
		names = in.Catalog.Names()
	}
	for i, n := range names {
		if _, known := in.Catalog.Lookup(n); !known {
			return nil, invalid("there is no region %q; there are %v", n, in.Catalog.Names())
		}
		if slices.Contains(names[:i], n) {
			return nil, invalid("region %s is named twice", n)
		}
	}
	if err := in.validateMaps(names); err != nil {
		return nil, err
	}
	if err := in.Prices.Validate(); err != nil {
		return nil, err
	}
	return names, in.Profile.Validate()
}

func (in Input) validateMaps(names []regions.Name) error {
	total := 0.0
	for n, s := range in.Demand.Shares {
		if !slices.Contains(names, n) {
			return invalid("%s has a share of the traffic, but is not among the regions %v", n, names)
		}
		if !(s >= 0) || math.IsInf(s, 0) {
			return invalid("the share of %s is %v", n, s)
		}
		total += s
	}
	if len(in.Demand.Shares) > 0 && total <= 0 {
		return invalid("no region has a share of the traffic")
	}
	for n, pods := range in.Fleet {
		if !slices.Contains(names, n) || pods < 1 {
			return invalid("a fleet of %d pods in %s: it takes at least one, in a region of %v", pods, n, names)
		}
	}
	for name, w := range in.Demand.Mix {
		if !slices.ContainsFunc(in.Profile.Journeys, func(j Journey) bool { return j.Name == name }) {
			return invalid("the profile knows no journey %q; it knows %v", name, in.Profile.journeyNames())
		}
		if !(w >= 0) || math.IsInf(w, 0) {
			return invalid("the weight of the journey %s is %v", name, w)
		}
	}
	return nil
}

func share(x float64) bool { return x > 0 && x <= 1 }

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "PLAN_INVALID", "%s", fmt.Sprintf(format, args...))
}

func (p Profile) journeyNames() []string {
	var out []string
	for _, j := range p.Journeys {
		out = append(out, j.Name)
	}
	return out
}

package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/meridian-commerce/meridian/regions"
)

// PlanVersion is the schema version of the plans that this package makes.
const PlanVersion = "1"

// Plan is how much of everything a shop needs, and what is left of it with a region lost.
type Plan struct {
	SchemaVersion string       `json:"schema_version"`
	Accepted      bool         `json:"accepted"` // whatever single region is lost, nothing passes its limit
	Refusals      []string     `json:"refusals"` // why not
	Warnings      []Warning    `json:"warnings"`
	Demand        Asked        `json:"demand"`
	Regions       []RegionPlan `json:"regions"`
	Losses        []Loss       `json:"losses"` // one for each region
	Storage       Storage      `json:"storage"`
	Cost          Bill         `json:"cost"`
	Assumptions   []Assumed    `json:"assumptions"`
}

// Warning is something that the figures alone do not say.
type Warning struct {
	Code string `json:"code"` // UPPER_SNAKE
	Text string `json:"text"`
}

// Asked is the demand that the plan is made for, at the peak.
type Asked struct {
	OrdersPerSecond   float64             `json:"orders_per_second"` // growth included
	Growth            float64             `json:"growth"`
	RequestsPerSecond float64             `json:"requests_per_second"`
	RequestsPerOrder  map[Request]float64 `json:"requests_per_order"`
}

// RegionPlan is what one region needs.
type RegionPlan struct {
	Region            regions.Name `json:"region"`
	Share             float64      `json:"share"` // of the orders
	OrdersPerSecond   float64      `json:"orders_per_second"`
	RequestsPerSecond float64      `json:"requests_per_second"`
	Edge              Pods         `json:"edge"`
	Browse            Pods         `json:"browse"`
	Checkout          Pods         `json:"checkout"`
	Worker            Pods         `json:"worker"`
	Nodes             Machines     `json:"nodes"` // of Kubernetes
	Database          Machines     `json:"database"`
	Cache             Machines     `json:"cache"`
	DiskGiB           float64      `json:"database_disk_gib"` // of each database node
	Month             float64      `json:"cost_per_month"`
}

// Pods is how many pods a deployment has. Bound says what decides that.
type Pods struct {
	Count int    `json:"count"`
	Bound string `json:"bound"`
}

// Machines is how many machines of a kind there are. Bound says what decides that.
type Machines struct {
	Count     int     `json:"count"`
	Kind      string  `json:"kind"`
	VCPU      int     `json:"vcpu"`       // of each
	MemoryGiB float64 `json:"memory_gib"` // of each
	Bound     string  `json:"bound"`
}

// Loss is what becomes of the others when a region is lost.
type Loss struct {
	Region   regions.Name `json:"region"`
	TakenBy  regions.Name `json:"taken_by"`              // the nearest one that may serve its users; "" when none may
	Unserved float64      `json:"unserved_orders_per_s"` // of users whom nobody may serve
	Quorum   bool         `json:"quorum"`                // whether the database can commit
	Others   []Survivor   `json:"survivors"`
}

// Survivor is how much of its capacity a region uses with another one lost. Parts of 1.
type Survivor struct {
	Region          regions.Name `json:"region"`
	OrdersPerSecond float64      `json:"orders_per_second"`
	CommitMillis    float64      `json:"commit_ms"` // round trip of its quorum
	Edge            float64      `json:"edge"`
	Browse          float64      `json:"browse"`
	Checkout        float64      `json:"checkout"`
	Connections     float64      `json:"connections"` // of the checkout pods' pools
	Database        float64      `json:"database"`
	Cache           float64      `json:"cache"`
	Over            bool         `json:"over_limit"`
}

// Storage is how the database grows.
type Storage struct {
	OrdersPerDay  float64 `json:"orders_per_day"`
	BytesPerOrder float64 `json:"bytes_per_order"` // kept for good, one copy
	KeptGiB       float64 `json:"kept_gib"`        // of what is swept after a week, one copy
	MonthGiB      float64 `json:"gib_per_month"`   // one copy
	Copies        int     `json:"copies"`
	Months        int     `json:"months"`
	DiskGiB       float64 `json:"disk_gib"` // of all database nodes, for that many months
}

// Assumed is one figure that was not measured.
type Assumed struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Basis string `json:"basis"` // where it is from
}

// Make plans. Its errors are fault.Invalid and say what is wrong with the input; a plan that cannot bear what it
// should is no error: it is not Accepted, and says why.
func Make(in Input) (Plan, error) {
	names, err := in.validate()
	if err != nil {
		return Plan{}, err
	}
	each, err := in.perOrder()
	if err != nil {
		return Plan{}, err
	}
	m := &making{Input: in, names: names, shares: in.shares(names), each: each, homes: map[regions.Name]load{}}
	// Everything is sized for the peak; only storage and traffic follow from what a day brings.
	peak := in.Demand.Orders * in.Demand.Growth
	for _, n := range names {
		m.homes[n] = each.times(peak * m.shares[n])
	}
	for _, lost := range append([]regions.Name{""}, names...) {
		m.worlds = append(m.worlds, m.world(lost))
	}
	p := Plan{
		SchemaVersion: PlanVersion, Refusals: []string{}, Warnings: []Warning{},
		Demand: Asked{OrdersPerSecond: peak, Growth: in.Demand.Growth, RequestsPerSecond: each.times(peak).total(), RequestsPerOrder: each.requests},
	}
	p.Storage = m.storage(peak)
	m.size(&p)
	m.lose(&p)
	m.bill(&p)
	m.warn(&p)
	p.Accepted = len(p.Refusals) == 0
	p.Assumptions = m.assumed()
	p.round()
	return p, nil
}

// making is a plan being made.
type making struct {
	Input
	names  []regions.Name
	shares map[regions.Name]float64
	each   load // of one order
	homes  map[regions.Name]load
	worlds []world // the one in which every region lives, then one for the loss of each
}

// shares returns each region's part of the orders; they add up to 1.
func (in Input) shares(names []regions.Name) map[regions.Name]float64 {
	out := map[regions.Name]float64{}
	total := 0.0
	for _, n := range names {
		out[n] = in.Demand.Shares[n]
		if len(in.Demand.Shares) == 0 {
			out[n] = 1
		}
		total += out[n]
	}
	for _, n := range names {
		out[n] /= total
	}
	return out
}

// storage returns how the database grows. Disks hold what is kept for good of so many months, and of a week what the
// sweeper deletes after it.
func (m *making) storage(peak float64) Storage {
	const gib, day, daysPerMonth = 1 << 30, 86400.0, 365.0 / 12
	s := Storage{
		OrdersPerDay: m.Demand.Daily,
		Copies:       m.Assumptions.CopiesOfRow, Months: m.Assumptions.Months,
	}
	if s.OrdersPerDay == 0 {
		s.OrdersPerDay = peak / m.Assumptions.PeakToMean * day
	}
	for _, t := range m.Profile.Order.Tables {
		if t.KeptDays == 0 {
			s.BytesPerOrder += t.Bytes + t.IndexBytes
		} else {
			s.KeptGiB += (t.Bytes + t.IndexBytes) * float64(t.KeptDays) * s.OrdersPerDay / gib
		}
	}
	s.MonthGiB = s.BytesPerOrder * s.OrdersPerDay * daysPerMonth / gib
	s.DiskGiB = (s.MonthGiB*float64(s.Months) + s.KeptGiB) * float64(s.Copies) / m.Assumptions.DiskFull
	return s
}

// lose works out what is left with each region lost, and refuses what is too little.
func (m *making) lose(p *Plan) {
	for _, w := range m.worlds {
		others := m.survivors(p, w)
		if w.lost == "" {
			for _, s := range others {
				if s.Over {
					p.Refusals = append(p.Refusals, fmt.Sprintf("%s passes its limit with every region alive: %s", s.Region, m.worst(s)))
				}
			}
			continue
		}
		l := Loss{Region: w.lost, TakenBy: w.serves[w.lost], Unserved: w.unserved, Quorum: len(w.live) >= quorum, Others: others}
		p.Losses = append(p.Losses, l)
		p.Refusals = append(p.Refusals, m.refusals(l)...)
	}
}

// quorum is how many of three regions must live for the database to commit.
const quorum = 2

func (m *making) refusals(l Loss) []string {
	var out []string
	if !l.Quorum {
		out = append(out, fmt.Sprintf("with %s lost the database has no quorum: it takes three regions to bear the loss of one", l.Region))
	}
	for _, s := range l.Others {
		if s.Over {
			out = append(out, fmt.Sprintf("with %s lost, %s passes its limit: %s", l.Region, s.Region, m.worst(s)))
		}
	}
	return out
}

// survivors works out how much each live region uses of what it is planned to have.
func (m *making) survivors(p *Plan, w world) []Survivor {
	var out []Survivor
	for _, r := range p.Regions {
		if r.Region == w.lost {
			continue
		}
		n := w.needs[r.Region]
		a := m.Assumptions
		pods := func(vcpu float64, pods int) float64 { return vcpu / (float64(pods) * a.PodVCPU) }
		s := Survivor{
			Region: r.Region, OrdersPerSecond: w.served[r.Region].orders, CommitMillis: float64(w.commit[r.Region].Microseconds()) / 1000,
			Edge: pods(n.edge, r.Edge.Count), Browse: pods(n.browse, r.Browse.Count), Checkout: pods(n.checkout, r.Checkout.Count),
			Connections: n.connections / float64(r.Checkout.Count*a.ConnsPerPod),
			Database:    m.databaseUse(n, r.Database.Count*r.Database.VCPU),
			Cache:       m.cached() / (r.Cache.MemoryGiB * float64(r.Cache.Count/cacheCopies) * (1 << 30)),
		}
		s.Over = slices.ContainsFunc(m.uses(s), func(u use) bool { return u.used > u.limit*(1+slack) })
		out = append(out, s)
	}
	return out
}

// slack forgives what floating-point arithmetic loses.
const slack = 1e-9

// databaseUse is what is used of the database's vCPU, or of the connections that it is said to bear, whichever is
// nearer to its limit.
func (m *making) databaseUse(n need, vcpu int) float64 {
	return max(n.database, n.connections/m.Assumptions.ConnsPerVCPU) / float64(vcpu)
}

// use is how much is used of something, and how much may be.
type use struct {
	what        string
	used, limit float64
}

func (m *making) uses(s Survivor) []use {
	limit := m.Assumptions.Limit
	return []use{
		{"edge pods", s.Edge, limit}, {"browse pods", s.Browse, limit}, {"checkout pods", s.Checkout, limit},
		{"connections of checkout pods", s.Connections, limit}, {"database", s.Database, limit},
		{"cache memory", s.Cache, m.Assumptions.CacheFull},
	}
}

// worst says what is furthest beyond its limit.
func (m *making) worst(s Survivor) string {
	worst := slices.MaxFunc(m.uses(s), func(a, b use) int { return cmp.Compare(a.used/a.limit, b.used/b.limit) })
	return fmt.Sprintf("%s at %s of what they have, more than %s", worst.what, percent(worst.used), percent(worst.limit))
}

// percent rounds up, so that what is beyond a limit never reads as being at it.
func percent(x float64) string { return fmt.Sprintf("%.0f %%", math.Ceil(x*100-slack*100)) }

package capacity

// Bill is what a month costs at list prices, with everything running all the time.
type Bill struct {
	Currency string   `json:"currency"`
	Date     string   `json:"date"` // of the prices
	Month    float64  `json:"month"`
	Items    []Charge `json:"items"`
}

// Charge is one line of a bill, over all regions.
type Charge struct {
	Name  string  `json:"name"`
	Month float64 `json:"month"`
}

// The lines of a bill.
const (
	chargeNodes     = "Kubernetes nodes"
	chargeDatabase  = "database nodes"
	chargeDisks     = "database disks"
	chargeCache     = "cache nodes"
	chargeToRegions = "data between regions"
	chargeToCallers = "data to callers"
	chargeFixed     = "fixed: "
)

// bill adds up what everything costs.
func (m *making) bill(p *Plan) {
	b := Bill{Currency: m.Prices.Currency, Date: m.Prices.Date}
	charges := map[string]float64{}
	for i := range p.Regions {
		r := &p.Regions[i]
		own := m.charges(*r, p)
		for _, name := range m.chargeNames() {
			charges[name] += own[name]
			r.Month += own[name]
		}
	}
	for _, f := range m.Prices.Fixed {
		if f.Global {
			charges[chargeFixed+f.Name] = float64(f.Count) * f.Hour * m.Prices.Hours
		}
	}
	for _, name := range m.chargeNames() {
		b.Items = append(b.Items, Charge{name, charges[name]})
		b.Month += charges[name]
	}
	p.Cost = b
}

func (m *making) chargeNames() []string {
	out := []string{chargeNodes, chargeDatabase, chargeDisks, chargeCache, chargeToRegions, chargeToCallers}
	for _, f := range m.Prices.Fixed {
		out = append(out, chargeFixed+f.Name)
	}
	return out
}

// charges returns what a region costs in a month.
func (m *making) charges(r RegionPlan, p *Plan) map[string]float64 {
	price, _ := m.Prices.region(r.Region)
	machines := func(x Machines) float64 {
		return float64(x.Count) * m.Prices.hour(x.Kind) * m.Prices.Hours * price.Factor
	}
	toRegions, toCallers := m.traffic(r, p)
	out := map[string]float64{
		chargeNodes:     machines(r.Nodes),
		chargeDatabase:  machines(r.Database),
		chargeDisks:     float64(r.Database.Count) * m.disk(r) * price.Factor,
		chargeCache:     machines(r.Cache),
		chargeToRegions: toRegions * price.ToRegions,
		chargeToCallers: price.toCallers(toCallers),
	}
	if len(p.Regions) == 1 {
		out[chargeToRegions] = 0
	}
	for _, f := range m.Prices.Fixed {
		if !f.Global {
			out[chargeFixed+f.Name] = float64(f.Count) * f.Hour * m.Prices.Hours * price.Factor
		}
	}
	return out
}

// disk returns the price of one database node's disk, with the operations and the throughput that go with its vCPU:
// 500 a second and 30 MiB/s for each.
func (m *making) disk(r RegionPlan) float64 {
	const iops, mibps = 500, 30
	d := m.Prices.Disk
	return r.DiskGiB*d.GiB + max(0, iops*float64(r.Database.VCPU)-d.IncludedIOPS)*d.IOPS + max(0, mibps*float64(r.Database.VCPU)-d.IncludedMiBps)*d.MiBps
}

// traffic returns the GB that a region sends in a month: to other regions three of the five copies of what its orders
// write, and its answers to callers.
func (m *making) traffic(r RegionPlan, p *Plan) (toRegions, toCallers float64) {
	const gb, remoteCopies = 1e9, 3
	peakSeconds := m.Prices.Hours * 3600 * p.Storage.OrdersPerDay / 86400 / p.Demand.OrdersPerSecond // that a month is worth
	written := 0.0
	for _, t := range m.Profile.Order.Tables {
		written += t.Bytes + t.IndexBytes
	}
	written += m.Profile.Order.Events * m.Profile.Order.EventBytes
	answers := m.homes[r.Region].sum(m.Profile, func(c Cost) float64 { return c.Bytes })
	return r.OrdersPerSecond * written * remoteCopies * peakSeconds / gb, answers * peakSeconds / gb
}

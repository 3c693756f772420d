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

// bill adds up what everything costs.
func (m *making) bill(p *Plan) {
	b := Bill{Currency: m.Prices.Currency, Date: m.Prices.Date}
	for i := range p.Regions {
		r := &p.Regions[i]
		own := m.charges(*r, p)
		for _, c := range own {
			r.Month += c.Month
		}
		if i == 0 {
			b.Items = own
			continue
		}
		for j, c := range own {
			b.Items[j].Month += c.Month
		}
	}
	first := len(b.Items) - len(m.Prices.Fixed)
	for j, f := range m.Prices.Fixed {
		if f.Global {
			b.Items[first+j].Month = f.month(m.Prices)
		}
	}
	for _, c := range b.Items {
		b.Month += c.Month
	}
	p.Cost = b
}

// charges returns what a region costs in a month: the same lines for each region, at the end those of the fixed prices.
func (m *making) charges(r RegionPlan, p *Plan) []Charge {
	price, _ := m.Prices.region(r.Region)
	machines := func(x Machines) float64 {
		return float64(x.Count) * m.Prices.hour(x.Kind) * m.Prices.Hours * price.Factor
	}
	toRegions, toCallers := m.traffic(r, p)
	if len(p.Regions) == 1 {
		toRegions = 0
	}
	out := []Charge{
		{"Kubernetes nodes", machines(r.Nodes)},
		{"database nodes", machines(r.Database)},
		{"database disks", float64(r.Database.Count) * m.disk(r) * price.Factor},
		{"cache nodes", machines(r.Cache)},
		{"data between regions", toRegions * price.ToRegions},
		{"data to callers", price.toCallers(toCallers)},
	}
	for _, f := range m.Prices.Fixed {
		c := Charge{Name: "fixed: " + f.Name}
		if !f.Global {
			c.Month = f.month(m.Prices) * price.Factor
		}
		out = append(out, c)
	}
	return out
}

// month returns what is paid in a month in the base region, or altogether.
func (f Fixed) month(p Prices) float64 { return float64(f.Count) * f.Hour * p.Hours }

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

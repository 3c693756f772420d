package capacity

import (
	"bytes"
	_ "embed"
	"io"
	"math"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Prices is a dated table of list prices.
type Prices struct {
	Date     string                       `yaml:"date"` // as of, YYYY-MM-DD
	Currency string                       `yaml:"currency"`
	Base     regions.Name                 `yaml:"base"`     // the region whose prices the table has
	Hours    float64                      `yaml:"hours"`    // in a month
	Machines []Kind                       `yaml:"machines"` // what the planner chooses from
	Fixed    []Fixed                      `yaml:"fixed"`
	Disk     Disk                         `yaml:"disk"`
	Regions  map[regions.Name]RegionPrice `yaml:"regions"`
}

// The roles that kinds of machines have.
const (
	roleNode     = "node"
	roleDatabase = "database"
	roleCache    = "cache"
)

// Kind is a kind of machine and its price in the base region.
type Kind struct {
	Kind      string   `yaml:"kind"`
	VCPU      int      `yaml:"vcpu"`
	MemoryGiB float64  `yaml:"memory_gib"`
	Hour      float64  `yaml:"hour"`
	Roles     []string `yaml:"roles"`
}

// Fixed is what is paid whatever the load.
type Fixed struct {
	Name   string  `yaml:"name"`
	Hour   float64 `yaml:"hour"`
	Count  int     `yaml:"count"`  // in each region, or altogether
	Global bool    `yaml:"global"` // altogether
}

// Disk is the price of a disk by month in the base region. Included comes with every disk.
type Disk struct {
	GiB           float64 `yaml:"gib"`
	IOPS          float64 `yaml:"iops"`
	MiBps         float64 `yaml:"mibps"`
	IncludedIOPS  float64 `yaml:"included_iops"`
	IncludedMiBps float64 `yaml:"included_mibps"`
}

// RegionPrice is how prices differ in a region.
type RegionPrice struct {
	Factor    float64 `yaml:"factor"`    // of machines, disks and fixed prices, to those of the base region
	ToRegions float64 `yaml:"to_region"` // for each GB sent to another region
	ToCallers []Tier  `yaml:"to_internet"`
}

// Tier is a price for each GB up to so many in a month.
type Tier struct {
	UpTo float64 `yaml:"up_to_gb"` // 0: without end
	GB   float64 `yaml:"gb"`
}

//go:embed prices.yaml
var listPrices []byte

// DefaultPrices returns the table that ships in the binary. A test proves that it reads.
func DefaultPrices() Prices {
	p, err := ReadPrices(bytes.NewReader(listPrices))
	if err != nil {
		panic("capacity: the embedded prices are broken: " + err.Error())
	}
	return p
}

// ReadPrices reads a price table. Its error is fault.Invalid PRICES_INVALID and says what is wrong.
func ReadPrices(r io.Reader) (Prices, error) {
	var p Prices
	d := yaml.NewDecoder(r)
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return p, fault.Wrap(err, fault.Invalid, "PRICES_INVALID", "the price table is not one")
	}
	return p, p.Validate()
}

// Validate says what a price table lacks. Its error is fault.Invalid PRICES_INVALID.
func (p Prices) Validate() error {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "PRICES_INVALID", "the price table "+format, args...)
	}
	price := func(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }
	switch {
	case p.Date == "" || p.Currency == "" || !(p.Hours > 0) || math.IsInf(p.Hours, 0):
		return invalid("needs its date, its currency and the hours of a month")
	case p.Regions[p.Base].Factor != 1:
		return invalid("has no region %q with the factor 1, whose prices it says to have", p.Base)
	case !price(p.Disk.GiB) || !price(p.Disk.IOPS) || !price(p.Disk.MiBps):
		return invalid("has a disk with a negative price")
	}
	for _, k := range p.Machines {
		if k.VCPU < 1 || !(k.MemoryGiB > 0) || math.IsInf(k.MemoryGiB, 0) || !(k.Hour > 0) || math.IsInf(k.Hour, 0) {
			return invalid("has a machine %q without vCPU, memory or price", k.Kind)
		}
	}
	for _, role := range []string{roleNode, roleDatabase, roleCache} {
		if len(p.of(role)) == 0 {
			return invalid("has no machine for the role %q", role)
		}
	}
	for _, f := range p.Fixed {
		if f.Count < 0 || !price(f.Hour) {
			return invalid("has a negative price of %q", f.Name)
		}
	}
	for n, r := range p.Regions {
		if !(r.Factor > 0) || math.IsInf(r.Factor, 0) || !price(r.ToRegions) || len(r.ToCallers) == 0 {
			return invalid("lacks the factor of %s or its price of data", n)
		}
	}
	return nil
}

// of returns the kinds that have a role, in the table's order.
func (p Prices) of(role string) []Kind {
	return slices.DeleteFunc(slices.Clone(p.Machines), func(k Kind) bool { return !slices.Contains(k.Roles, role) })
}

// hour returns what a machine of the table costs in the base region.
func (p Prices) hour(kind string) float64 {
	return p.Machines[slices.IndexFunc(p.Machines, func(k Kind) bool { return k.Kind == kind })].Hour
}

// region returns how a region's prices differ, and false where the table does not say: then they are the highest that
// it knows.
func (p Prices) region(n regions.Name) (RegionPrice, bool) {
	if r, ok := p.Regions[n]; ok {
		return r, true
	}
	costliest := p.Regions[p.Base]
	for _, r := range p.Regions {
		if r.Factor > costliest.Factor {
			costliest = r
		}
	}
	return costliest, false
}

// toCallers returns what so many GB to the Internet cost in a month.
func (r RegionPrice) toCallers(gb float64) float64 {
	sum := 0.0
	from := 0.0
	for _, t := range r.ToCallers {
		if gb <= from {
			break
		}
		upTo := gb
		if t.UpTo > 0 {
			upTo = min(gb, t.UpTo)
		}
		sum += (upTo - from) * t.GB
		from = upTo
	}
	return sum
}

// Package regions is the set of regions: which regions exist, where they are, whom they prefer and how
// far apart they are. It is data and vocabulary and depends on no other room; a Set never changes
// after it was parsed, so it may be read from any goroutine.
package regions

import (
	"cmp"
	_ "embed"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Name is a region's name in its cloud, such as eu-west-1.
type Name string

// Code is a region's short name inside ids, such as eu1.
type Code string

// Place is where a region's data center or a caller is. Degrees, WGS 84.
type Place struct {
	City    string  `yaml:"city"`
	Country string  `yaml:"country"`
	Lat     float64 `yaml:"lat"`
	Lon     float64 `yaml:"lon"`
}

// Region is one of a set.
type Region struct {
	Name       Name                `yaml:"name"`
	Code       Code                `yaml:"code"`
	Place      Place               `yaml:"place"`
	Zones      map[string][]string `yaml:"zones"`      // by cloud
	Residency  string              `yaml:"residency"`  // regions of one group may hold each other's users
	Continents []string            `yaml:"continents"` // ISO two-letter continent codes
	Countries  []string            `yaml:"countries"`  // ISO 3166-1 alpha-2
	Loopback   netip.Prefix        `yaml:"loopback"`   // the simulation's /24
}

// Set is a parsed, validated set of regions: which there are, where, and how far apart.
type Set struct {
	regions   []Region
	byName    map[Name]int
	byCode    map[Code]Name
	byCountry map[string]Name
	strict    map[string]bool // residency groups whose users never leave them
	rtt       [][]time.Duration
}

//go:embed regions.yaml
var embedded []byte

// Default returns the set that ships in the binary. A test proves that it parses.
func Default() *Set {
	c, err := Parse(embedded)
	if err != nil {
		panic("regions: the embedded set is broken: " + err.Error())
	}
	return c
}

// DefaultYAML returns the text of the regions file that ships in the binary.
func DefaultYAML() []byte { return slices.Clone(embedded) }

// All returns every region in the set's order.
func (c *Set) All() []Region { return slices.Clone(c.regions) }

// Names returns every region's name in the set's order.
func (c *Set) Names() []Name {
	names := make([]Name, len(c.regions))
	for i, r := range c.regions {
		names[i] = r.Name
	}
	return names
}

// Lookup returns the region of that name.
func (c *Set) Lookup(n Name) (Region, bool) {
	i, ok := c.byName[n]
	if !ok {
		return Region{}, false
	}
	return c.regions[i], true
}

// ByCode returns the name of the region whose ids carry code.
func (c *Set) ByCode(code Code) (Name, bool) {
	n, ok := c.byCode[code]
	return n, ok
}

// Code returns the short name of a region, or "" for an unknown one.
func (c *Set) Code(n Name) Code {
	if i, ok := c.byName[n]; ok {
		return c.regions[i].Code
	}
	return ""
}

// Prefers returns the region that a country (ISO 3166-1 alpha-2, upper case) is assigned to:
// the one that lists it, or else the one that lists its continent.
func (c *Set) Prefers(country string) (Name, bool) {
	if n, ok := c.byCountry[country]; ok {
		return n, true
	}
	continent := continentOf(country)
	for _, r := range c.regions {
		if continent != "" && slices.Contains(r.Continents, continent) {
			return r.Name, true
		}
	}
	return "", false
}

// MayServe reports whether users whose home is one region may be served, and their rows kept, in another one:
// always, unless the home's residency group is strict and the other region is not of it. It is false where the
// set does not have one of the two.
func (c *Set) MayServe(home, other Name) bool {
	i, okA := c.byName[home]
	j, okB := c.byName[other]
	if !okA || !okB {
		return false
	}
	group := c.regions[i].Residency
	return group == c.regions[j].Residency || !c.strict[group]
}

// RTT returns the declared round trip between two regions; 0 from a region to itself or when one is unknown.
func (c *Set) RTT(a, b Name) time.Duration {
	i, okA := c.byName[a]
	j, okB := c.byName[b]
	if !okA || !okB {
		return 0
	}
	return c.rtt[i][j]
}

// QuorumRTT returns the least round trip from a region to another one: what a commit costs there
// when the database survives the loss of a region.
func (c *Set) QuorumRTT(n Name) time.Duration {
	if near := c.Nearest(n); len(near) > 1 {
		return c.RTT(n, near[1])
	}
	return 0
}

// Nearest returns every region by declared round trip from n, n itself first; ties keep the set's order.
func (c *Set) Nearest(n Name) []Name {
	names := c.Names()
	slices.SortStableFunc(names, func(a, b Name) int { return cmp.Compare(c.RTT(n, a), c.RTT(n, b)) })
	return names
}

// earthRadius in kilometers (mean, IUGG).
const earthRadius = 6371.0

// Distance returns the great-circle distance between two places in kilometers (haversine).
func Distance(a, b Place) float64 {
	rad := func(deg float64) float64 { return deg * math.Pi / 180 }
	dLat := rad(b.Lat - a.Lat)
	dLon := rad(b.Lon - a.Lon)
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(rad(a.Lat))*math.Cos(rad(b.Lat))*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

// EstimateRTT returns the round trip that fiber between two places takes: light at two thirds of c over
// a path 1.4 times the great circle, plus a millisecond of equipment. Declared figures win over it.
func EstimateRTT(a, b Place) time.Duration {
	const kmPerMilli, detour = 200.0, 1.4
	return time.Duration((1 + 2*detour*Distance(a, b)/kmPerMilli) * float64(time.Millisecond))
}

package geo

import (
	"cmp"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Proximity ranks the regions of a set by round trip from each of them. It never changes.
type Proximity struct {
	rtt   map[regions.Name]map[regions.Name]time.Duration
	order map[regions.Name][]regions.Name
}

// NewProximity ranks by the measured round trip of a pair where measured returns one (it may be nil), else
// by the declared one, else by the great circle.
func NewProximity(c *regions.Set, measured func(a, b regions.Name) (time.Duration, bool)) *Proximity {
	names := c.Names()
	p := &Proximity{
		rtt:   make(map[regions.Name]map[regions.Name]time.Duration, len(names)),
		order: make(map[regions.Name][]regions.Name, len(names)),
	}
	for _, from := range names {
		row := make(map[regions.Name]time.Duration, len(names))
		for _, to := range names {
			row[to] = c.RTT(from, to)
			if measured == nil || from == to {
				continue
			}
			if d, ok := measured(from, to); ok && d > 0 {
				row[to] = d
			}
		}
		order := slices.Clone(names)
		slices.SortStableFunc(order, func(a, b regions.Name) int { return cmp.Compare(row[a], row[b]) })
		p.rtt[from] = row
		p.order[from] = order
	}
	return p
}

// From returns every region, nearest first, from itself first; ties keep the set's order. The slice is
// shared: do not change it. It is nil for a region that the set does not have.
func (p *Proximity) From(from regions.Name) []regions.Name { return p.order[from] }

// RTT returns the round trip that the ranking rests on; 0 from a region to itself or when one is unknown.
func (p *Proximity) RTT(from, to regions.Name) time.Duration { return p.rtt[from][to] }

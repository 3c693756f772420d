package edge

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/regions"
)

// next returns the best instance that was not tried yet: of the first region, in the order of the decision, that
// has one.
func (e *Edge) next(cl *class, c *course, only regions.Name) (target, bool) {
	snapshot := e.view.Snapshot().For(cl.Method.Module)
	if c.avoid != "" && only == "" {
		if t, ok := nextOf(c, func(n regions.Name) bool { return n != c.avoid }, snapshot, !c.silence); ok {
			return t, true
		}
	}
	wanted := func(n regions.Name) bool { return only == "" || n == only }
	if c.silence { // another region rather than an instance that is silent too, though not yet known to be down
		if t, ok := nextOf(c, wanted, snapshot, false); ok {
			return t, true
		}
	}
	return nextOf(c, wanted, snapshot, true)
}

// nextOf prefers, within a region, instances that answered probes lately; silent says whether others will do.
// In a panic every instance will.
func nextOf(c *course, wanted func(regions.Name) bool, s *discovery.Snapshot, silent bool) (target, bool) {
	for i := 0; ; i++ {
		candidate, more := c.decision.Next(i)
		if !more {
			return target{}, false
		}
		if !wanted(candidate.Region) {
			continue
		}
		region := s.Region(candidate.Region)
		m, ok := pick(region.Healthy, c.tried, discovery.Member.Fresh)
		if !ok && silent {
			m, ok = pick(region.Healthy, c.tried, nil)
		}
		if c.decision.Panic {
			m, ok = pick(region.Members, c.tried, nil)
		}
		if ok {
			return target{m, candidate.Route}, true
		}
	}
}

// rampSteps is in how many steps an instance that became healthy gets its full share.
const rampSteps = 10

// pick returns the member with the fewest requests under way that was not tried yet and is fit (nil: all are);
// ties are broken at random. One that became healthy lately counts for a part of an instance, which grows.
func pick(members []discovery.Member, tried []*discovery.Endpoint, fit func(discovery.Member) bool) (best discovery.Member, ok bool) {
	if len(members) == 1 { // there is nothing to compare
		best = members[0]
		return best, !slices.Contains(tried, best.Endpoint) && (fit == nil || fit(best))
	}
	var least int64
	ties := 0
	now := time.Now()
	for _, m := range members {
		if slices.Contains(tried, m.Endpoint) || fit != nil && !fit(m) {
			continue
		}
		switch load := (m.InFlight() + 1) * rampSteps / int64(m.Ramp(now, rampSteps)); {
		case ties == 0 || load < least:
			best = m
			least = load
			ties = 1
		case load == least:
			if ties++; rand.IntN(ties) == 0 {
				best = m
			}
		}
	}
	return best, ties > 0
}

package capacity

import (
	"math"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// load is what the callers at home in one region ask for in a second.
type load struct {
	orders   float64
	requests map[Request]float64
}

// times returns f times a load.
func (l load) times(f float64) load {
	out := load{orders: l.orders * f, requests: map[Request]float64{}}
	for r, rate := range l.requests {
		out.requests[r] = rate * f
	}
	return out
}

// plus returns the sum of two loads.
func (l load) plus(other load) load {
	out := l.times(1)
	out.orders += other.orders
	for r, rate := range other.requests {
		out.requests[r] += rate
	}
	return out
}

// total returns the requests a second.
func (l load) total() float64 {
	sum := 0.0
	for _, r := range Requests() { // in order: sums of floating-point numbers depend on it
		sum += l.requests[r]
	}
	return sum
}

// sum adds up what a load's requests cost.
func (l load) sum(p Profile, cost func(Cost) float64, kinds ...Request) float64 {
	if len(kinds) == 0 {
		kinds = Requests()
	}
	sum := 0.0
	for _, r := range kinds {
		sum += l.requests[r] * cost(p.Requests[r])
	}
	return sum
}

// perOrder returns what is asked for with each order, by the mix of journeys.
func (in Input) perOrder() (load, error) {
	l := load{orders: 1, requests: map[Request]float64{}}
	orders := 0.0
	for _, j := range in.Profile.Journeys {
		w := j.Weight
		if len(in.Demand.Mix) > 0 {
			w = in.Demand.Mix[j.Name]
		}
		for _, r := range Requests() {
			l.requests[r] += w * j.Requests[r]
		}
		orders += w * j.Requests[PlaceOrder]
	}
	if orders <= 0 {
		return l, invalid("nobody orders in this mix of journeys")
	}
	l = l.times(1 / orders)
	l.orders = 1
	l.requests[SignIn] += in.Assumptions.SignIns
	for _, rate := range l.requests {
		if math.IsInf(rate, 0) || rate > 1e6 {
			return l, invalid("this mix of journeys has more than a million requests for each order")
		}
	}
	return l, nil
}

// world is which regions live, what each of them serves, and what it needs for that.
type world struct {
	lost     regions.Name                  // "" when all live
	serves   map[regions.Name]regions.Name // by home; a home that nobody may serve is absent
	live     []regions.Name                // in the plan's order
	commit   map[regions.Name]time.Duration
	served   map[regions.Name]load // by the region that serves
	needs    map[regions.Name]need
	unserved float64 // orders a second that nobody may serve
}

// world returns the world in which a region is lost, or none for "".
func (m *making) world(lost regions.Name) world {
	w := world{
		lost: lost, live: slices.DeleteFunc(slices.Clone(m.names), func(n regions.Name) bool { return n == lost }),
		serves: map[regions.Name]regions.Name{}, commit: map[regions.Name]time.Duration{},
		served: map[regions.Name]load{}, needs: map[regions.Name]need{},
	}
	// Itself first, then by distance, as the edges and the database's leases have it.
	nearest := func(to regions.Name, good func(regions.Name) bool) (regions.Name, bool) {
		all := m.Catalog.Nearest(to)
		i := slices.IndexFunc(all, func(n regions.Name) bool { return slices.Contains(w.live, n) && good(n) })
		if i < 0 {
			return "", false
		}
		return all[i], true
	}
	for _, home := range m.names {
		by, ok := nearest(home, func(n regions.Name) bool { return m.Catalog.MayServe(home, n) })
		if !ok {
			w.unserved += m.homes[home].orders
			continue
		}
		w.serves[home] = by
		w.served[by] = w.served[by].plus(m.homes[home])
	}
	for _, n := range w.live {
		if other, ok := nearest(n, func(other regions.Name) bool { return other != n }); ok {
			w.commit[n] = m.Catalog.RTT(n, other)
		}
	}
	for _, n := range w.live {
		w.needs[n] = m.need(w, n)
	}
	return w
}

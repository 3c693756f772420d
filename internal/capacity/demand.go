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

// world is which regions live, and who serves whose users.
type world struct {
	lost   regions.Name                  // "" when all live
	serves map[regions.Name]regions.Name // by home; a home that nobody may serve is absent
	live   []regions.Name                // in the plan's order
	commit map[regions.Name]time.Duration
}

// worlds returns the world in which every region lives, then one for the loss of each.
func (in Input) worlds(names []regions.Name) []world {
	out := []world{in.world(names, "")}
	for _, n := range names {
		out = append(out, in.world(names, n))
	}
	return out
}

func (in Input) world(names []regions.Name, lost regions.Name) world {
	w := world{lost: lost, serves: map[regions.Name]regions.Name{}, commit: map[regions.Name]time.Duration{}}
	for _, n := range names {
		if n != lost {
			w.live = append(w.live, n)
		}
	}
	alive := func(n regions.Name) bool { return slices.Contains(w.live, n) }
	for _, home := range names {
		for _, n := range in.Catalog.Nearest(home) { // itself first, as the edges and the database's leases have it
			if alive(n) && in.Catalog.MayServe(home, n) {
				w.serves[home] = n
				break
			}
		}
	}
	for _, n := range w.live {
		for _, other := range in.Catalog.Nearest(n) {
			if other != n && alive(other) {
				w.commit[n] = in.Catalog.RTT(n, other)
				break
			}
		}
	}
	return w
}

// loads returns what each live region serves, and the orders a second that nobody may serve.
func (w world) loads(homes map[regions.Name]load, names []regions.Name) (served map[regions.Name]load, unserved float64) {
	served = map[regions.Name]load{}
	for _, home := range names {
		if by, ok := w.serves[home]; ok {
			served[by] = served[by].plus(homes[home])
		} else {
			unserved += homes[home].orders
		}
	}
	return served, unserved
}

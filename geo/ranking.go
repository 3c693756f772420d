package geo

import (
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	// gain is the weight of a new measurement of a round trip. With one every ten seconds, an estimate follows
	// a lasting change within half an hour, and a spike moves it by a hundredth.
	gain = 0.01

	// A region overtakes another one when it is nearer by a sixth and by two milliseconds.
	marginShare = 6
	margin      = 2 * time.Millisecond

	// lightSpeed is how far light gets in vacuum, there and back, in kilometers per millisecond. What claims to
	// be faster is no measurement of the way between two places.
	lightSpeed = 299.79 / 2

	longestRTT = 5 * time.Second
)

// Ranking keeps a Proximity that follows measured round trips: smoothed, and with hysteresis, so that noise
// does not change which region is nearer. It is safe for concurrent use.
type Ranking struct {
	names []regions.Name
	floor [][]time.Duration // what light needs

	mu    sync.Mutex
	rtt   [][]time.Duration // estimates, by the regions' places in names
	order [][]int           // by region: all, nearest first
}

// NewRanking returns a ranking that begins with the declared round trips.
func NewRanking(c *regions.Set) *Ranking {
	r := &Ranking{names: c.Names()}
	all := c.All()
	declared := NewProximity(c, nil)
	for i, a := range all {
		var floor, rtt []time.Duration
		for _, b := range all {
			floor = append(floor, time.Duration(regions.Distance(a.Place, b.Place)/lightSpeed*float64(time.Millisecond)))
			rtt = append(rtt, c.RTT(a.Name, b.Name))
		}
		r.floor = append(r.floor, floor)
		r.rtt = append(r.rtt, rtt)
		r.order = append(r.order, nil)
		for _, n := range declared.From(a.Name) {
			r.order[i] = append(r.order[i], slices.Index(r.names, n))
		}
	}
	return r
}

// Proximity returns the present ranking.
func (r *Ranking) Proximity() *Proximity {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Proximity{
		rtt:   make(map[regions.Name]map[regions.Name]time.Duration, len(r.names)),
		order: make(map[regions.Name][]regions.Name, len(r.names)),
	}
	for i, from := range r.names {
		p.rtt[from] = make(map[regions.Name]time.Duration, len(r.names))
		for j, to := range r.names {
			p.rtt[from][to] = r.rtt[i][j]
			p.order[from] = append(p.order[from], r.names[r.order[i][j]])
		}
	}
	return p
}

// Observe takes in a measurement of the pairs that measured knows, and leaves out what light could not do. It
// reports whether an order in the ranking changed.
func (r *Ranking) Observe(measured func(a, b regions.Name) (time.Duration, bool)) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range r.names {
		for j := i + 1; j < len(r.names); j++ {
			// What light could not do is an error of coordinates, and would make a far region look near.
			if d, ok := measured(a, r.names[j]); ok && d > 0 && d >= r.floor[i][j] && d <= longestRTT {
				r.rtt[i][j] = smooth(r.rtt[i][j], d)
				r.rtt[j][i] = r.rtt[i][j]
			}
		}
	}
	for i := range r.names {
		changed = reorder(r.order[i], r.rtt[i]) || changed
	}
	return changed
}

// smooth moves an estimate toward a measurement, which counts as at most twice and at least half of it.
func smooth(before, d time.Duration) time.Duration {
	if before <= 0 {
		return d
	}
	// A single outlier must not outweigh all that was measured before.
	d = min(max(d, before/2), 2*before)
	return before + time.Duration(gain*float64(d-before))
}

// reorder moves a region before its neighbor when it has become clearly nearer. The first one, where the round
// trips are from, stays.
func reorder(order []int, rtt []time.Duration) (moved bool) {
	// An insertion sort: the order is nearly right each time, and overtakes is no order that a library's sort could rely on.
	for i := 2; i < len(order); i++ {
		for j := i; j > 1 && overtakes(rtt[order[j]], rtt[order[j-1]]); j-- {
			order[j], order[j-1] = order[j-1], order[j]
			moved = true
		}
	}
	return moved
}

func overtakes(a, b time.Duration) bool { return a+a/marginShare+margin < b }

package decide

const (
	overprovision = 140 // percent: a region with five of seven instances healthy can take all that is its
	softLimit     = 0.7 // of a region's capacity: above it, it begins to share
	leastRoom     = 10  // percent of its callers that a region keeps however loaded it is
)

// assess strikes out who cannot serve, and leaves the best tier: regions in service, else ejected ones, else
// drained ones. It scores those.
func (d *Decision) assess(v *View, allowed uint32) {
	best := 3
	lives := false
	for i := range d.list[:d.n] {
		c := &d.list[i]
		s := &v[c.index]
		switch {
		case allowed&(1<<c.index) == 0:
			c.Verdict = VerdictForbidden
		case d.alive(s):
			c.Verdict = VerdictReserve
			best, lives = min(best, tier(s)), true
		default:
			c.Verdict = VerdictUnhealthy
		}
	}
	for i := range d.list[:d.n] {
		c := &d.list[i]
		d.Forbidden = d.Forbidden || c.Verdict == VerdictForbidden && !lives
		if c.Verdict != VerdictReserve {
			continue
		}
		switch s := &v[c.index]; {
		case tier(s) == best:
			c.Health = d.health(s)
		case s.Drained:
			c.Verdict = VerdictDrained
		default:
			c.Verdict = VerdictEjected
		}
	}
}

// tier returns 0 for a region in service, 1 for an ejected one and 2 for a drained one.
func tier(s *State) int {
	switch {
	case s.Drained:
		return 2
	case s.Ejected:
		return 1
	}
	return 0
}

func (d *Decision) alive(s *State) bool { return s.Healthy > 0 || d.Panic && s.Total > 0 }

// health is the part of its share that a region's instances can take, in percent.
func (d *Decision) health(s *State) int {
	if d.Panic || s.Total <= 0 || d.rows {
		return 100
	}
	return max(1, min(100, overprovision*s.Healthy/s.Total))
}

// split divides the callers. What is left of a region's health by warming up and by overload is relative to
// the best of the others: there is no point in moving callers to where there is as little room.
func (d *Decision) split(v *View) {
	roomiest := 1
	heaviest := 0
	for i := range d.list[:d.n] {
		if c := &d.list[i]; c.usable() {
			roomiest = max(roomiest, room(&v[c.index]))
			heaviest = max(heaviest, v[c.index].Weight)
		}
	}
	total := 0
	last := -1
	for i := range d.list[:d.n] {
		c := &d.list[i]
		if !c.usable() {
			continue
		}
		weight := min(100, max(0, v[c.index].Weight))
		if heaviest <= 0 {
			weight = 100
		}
		score := c.Health * weight * room(&v[c.index]) / (100 * roomiest)
		if weight > 0 {
			score, last = max(1, score), i
		}
		c.Health = score
		total += score
	}
	d.fill(min(100, total), last)
}

// fill gives each region in its turn up to its health of the callers, as parts of the total health where that
// is less than 100. The last one takes what rounding leaves.
func (d *Decision) fill(total, last int) {
	left := 100
	for i := range d.list[:d.n] {
		c := &d.list[i]
		if !c.usable() || c.Health == 0 {
			continue
		}
		c.Share = min(left, (200*c.Health+total)/(2*total))
		if i == last {
			c.Share = left
		}
		left -= c.Share
	}
}

// room is the percent of its callers that a region should keep, as it is loaded and warmed up: all below the
// soft limit, falling evenly to the least at the hard limit.
func room(s *State) int {
	room := 100
	ramp := 100
	if s.Load > softLimit {
		free := max(0, (1-s.Load)/(1-softLimit))
		room = leastRoom + int((100-leastRoom)*free)
	}
	if s.Ramp > 0 {
		ramp = min(100, s.Ramp)
	}
	return max(1, room*ramp/100)
}

// choose finds the region in whose share the caller is, and says why it serves.
func (d *Decision) choose(caller uint64, v *View) {
	position := int(caller % 100)
	for i := range d.list[:d.n] {
		c := &d.list[i]
		if !c.usable() {
			continue
		}
		if c.Share > 0 && d.serves < 0 {
			if position < c.Share {
				d.serves = i
				continue
			}
			position -= c.Share
		}
		if c.Share > 0 {
			c.Verdict = VerdictShares
		}
	}
	if d.serves < 0 {
		return
	}
	serves := &d.list[d.serves]
	first := &d.list[0]
	serves.Verdict = VerdictServes
	switch {
	case d.Panic:
		serves.Route = RoutePanic
	case d.serves == 0:
	case first.Share > 0 && int(caller%100) < d.health(&v[first.index]):
		// Its living instances would take this caller, if they were not too full, warming up or weighed down. Callers
		// beyond what lives are a failover, like all of those of a region that is lost altogether.
		serves.Route = RouteSpillover
	case v[first.index].Drained:
		serves.Route = RouteDrained
	}
	for i := range d.list[:d.serves] {
		if c := &d.list[i]; c.Verdict == VerdictEjected && v[c.index].Trial && v[c.index].Healthy > 0 {
			d.trial = i
			break
		}
	}
}

package discovery

// Probe results in a row that change an instance's health.
const (
	riseAfter = 2
	fallAfter = 2
)

// checker turns probe results into health: a healthy instance falls after fallAfter failures in a row, an
// unhealthy one rises after riseAfter successes in a row. The first result of all decides at once, so that an
// edge that just started need not wait.
type checker struct {
	healthy bool
	known   bool // a result was seen
	streak  int  // results in a row that speak against the present health
}

// observe takes one result in and reports whether the health changed.
func (c *checker) observe(ok bool) (changed bool) {
	if !c.known {
		c.known = true
		c.healthy = ok
		return ok
	}
	if ok == c.healthy {
		c.streak = 0
		return false
	}
	c.streak++
	if c.healthy && c.streak < fallAfter || !c.healthy && c.streak < riseAfter {
		return false
	}
	c.healthy = ok
	c.streak = 0
	return true
}

// fail makes the instance unhealthy at once and reports whether it was healthy.
func (c *checker) fail() (changed bool) {
	changed = c.healthy
	*c = checker{known: true}
	return changed
}

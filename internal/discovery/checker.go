package discovery

// changeAfter is how many probe results in a row change an instance's health.
const changeAfter = 2

// checker turns probe results into health: a healthy instance falls after some failures in a row, an unhealthy one rises
// after as many successes in a row. The first result of all decides at once, so that an edge that just started need not
// wait.
type checker struct {
	healthy bool
	known   bool // a result was seen
	streak  int  // results in a row that speak against the present health
}

// observe takes one result in and reports whether the health changed.
func (c *checker) observe(ok bool) (changed bool) {
	if c.known && ok == c.healthy {
		c.streak = 0
		return false
	}
	c.streak++
	if c.known && c.streak < changeAfter {
		return false
	}
	changed = ok != c.healthy
	*c = checker{healthy: ok, known: true}
	return changed
}

// fail makes the instance unhealthy at once and reports whether it was healthy.
func (c *checker) fail() (changed bool) {
	changed = c.healthy
	*c = checker{known: true}
	return changed
}

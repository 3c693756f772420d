package internet

import (
	"fmt"
	"slices"
	"time"
)

// Profile says how soon a network notices that an edge is lost, and how soon its callers then enter elsewhere. Two checks
// in a row that disagree with an announcement change it.
type Profile struct {
	Name     string
	Interval time.Duration // between two health checks of an edge
	Timeout  time.Duration // of one
	Shift    time.Duration // from the second one until new connections go elsewhere
	TTL      time.Duration // how long after that a resolver may still give the former answer; each city's gives it for another part of it
}

// Fast is a network of one's own: anycast whose edges are checked every second, and which re-routes at once, connections that
// are open too.
func Fast() Profile { return Profile{Name: "fast", Interval: time.Second, Timeout: time.Second} }

// Profiles are the ways to enter: Fast, and those of terraform, by the values of its variable entry. Both rest on the
// health of the network load balancer's targets, for Global Accelerator's own checks are for endpoints of other kinds.
func Profiles() []Profile {
	const interval, timeout = 5 * time.Second, 4 * time.Second
	return []Profile{
		Fast(),
		// AWS says up to 30 s for Global Accelerator to direct new connections elsewhere (workshop "Intro to AWS Global
		// Accelerator", Failover; Developer Guide, "How failover works for unhealthy endpoints").
		{Name: "global-accelerator", Interval: interval, Timeout: timeout, Shift: 30 * time.Second},
		// A record that is an alias of a load balancer has a TTL of 60 s (Route 53 Developer Guide, "Choosing between alias
		// and non-alias records").
		{Name: "latency-records", Interval: interval, Timeout: timeout, TTL: time.Minute},
	}
}

// ProfileNames lists them.
func ProfileNames() []string {
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// ProfileOf returns the profile of a name.
func ProfileOf(name string) (Profile, error) {
	at := slices.Index(ProfileNames(), name)
	if at < 0 {
		return Profile{}, fmt.Errorf("internet: no profile is called %q; there are %v", name, ProfileNames())
	}
	return Profiles()[at], nil
}

// Slowest is how long after an edge went silent the last callers enter elsewhere.
func (p Profile) Slowest() time.Duration { return 2*p.Interval + p.Timeout + p.Shift + p.TTL }

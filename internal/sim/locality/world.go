package locality

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// RegionState is what the model holds of one region.
type RegionState struct {
	Name        regions.Name `json:"name"`
	Alive       bool         `json:"alive"`
	CutOff      bool         `json:"cut_off"`     // it is not alive to the others, but runs: its gateway is refused
	Slowness    float64      `json:"slowness"`    // times the declared round trip to and from it; 1: as declared
	Leaseholder regions.Name `json:"leaseholder"` // where the leases of the region's rows are, or go after the stall
	LostAt      time.Time    `json:"lost_at"`     // since when it is not alive; zero: it is
	StallFrom   time.Time    `json:"stall_from"`  // when the former leaseholder was lost; zero: no stall
	StallUntil  time.Time    `json:"stall_until"` // until then statements on the region's rows wait; zero: no stall
}

const (
	// Lead is how far ahead of its clock a GLOBAL row is written: kv.closed_timestamp.lead_for_global_reads_override, as
	// the deployment sets it (docs/explanation/locality-model.md, "GLOBAL tables on a cluster"; 800 ms where nobody does).
	Lead = 650 * time.Millisecond

	// breakerAfter is how long a range without a quorum keeps its callers waiting before its circuit breaker refuses them
	// (CockroachDB, "Replication Layer", per-replica circuit breaker: 60 s).
	breakerAfter = time.Minute

	// With SURVIVE REGION FAILURE a range has five voters, two of them at home (CockroachDB, "Multi-Region Survival Goals").
	voters, votersAtHome, majority = 5, 2, 3
)

// world is the state of the modeled cluster, and the arithmetic on it.
type world struct {
	catalog *regions.Set
	states  []RegionState // in the catalog's order
}

func newWorld(c *regions.Set) *world {
	w := &world{catalog: c}
	for _, n := range c.Names() {
		w.states = append(w.states, RegionState{Name: n, Alive: true, Slowness: 1, Leaseholder: n})
	}
	return w
}

func (w *world) clone() *world { return &world{catalog: w.catalog, states: slices.Clone(w.states)} }

// edit changes what is held of one region.
func (w *world) edit(n regions.Name, change func(*RegionState)) error {
	i := slices.IndexFunc(w.states, func(s RegionState) bool { return s.Name == n })
	if i < 0 {
		return fmt.Errorf("%w %q", ErrUnknownRegion, n)
	}
	change(&w.states[i])
	return nil
}

// lose takes a region away at a moment: the leases that it held stall for a while, then are with each home's
// nearest live region. If it is cut off, it runs on: its gateway hears of nobody any more.
func (w *world) lose(n regions.Name, at time.Time, stall time.Duration, cutOff bool) error {
	err := w.edit(n, func(s *RegionState) { s.Alive, s.CutOff, s.LostAt = false, cutOff, at })
	for j := range w.states {
		if s := &w.states[j]; s.Leaseholder == n {
			s.Leaseholder = w.nearestLive(s.Name)
			s.StallFrom = at
			s.StallUntil = at.Add(stall)
		}
	}
	return err
}

// slow makes every round trip to and from a region so many times the declared one.
func (w *world) slow(n regions.Name, factor float64) error {
	return w.edit(n, func(s *RegionState) { s.Slowness = factor })
}

// rtt returns the round trip between two regions as it is now.
func (w *world) rtt(a, b regions.Name) time.Duration {
	declared := w.catalog.RTT(a, b)
	slowness := 1.0
	for _, s := range w.states {
		if s.Name == a || s.Name == b {
			slowness = max(slowness, s.Slowness)
		}
	}
	if a == b {
		return declared
	}
	return time.Duration(float64(declared) * slowness)
}

// heal brings a region back, and leases to their homes, without a stall: a lease moves by transfer, not by expiry.
func (w *world) heal(n regions.Name) error {
	err := w.edit(n, func(s *RegionState) { s.Alive, s.CutOff, s.Slowness, s.LostAt = true, false, 1, time.Time{} })
	for j := range w.states {
		s := &w.states[j]
		if holder := w.nearestLive(s.Name); holder == s.Name || !w.alive(s.Leaseholder) {
			s.Leaseholder = holder
			s.StallFrom = time.Time{}
			s.StallUntil = time.Time{}
		}
	}
	return err
}

func (w *world) alive(n regions.Name) bool {
	return slices.ContainsFunc(w.states, func(s RegionState) bool { return s.Name == n && s.Alive })
}

// nearestLive returns n itself while it lives, and n as well when no region does.
func (w *world) nearestLive(n regions.Name) regions.Name {
	for _, near := range w.catalog.Nearest(n) {
		if w.alive(near) {
			return near
		}
	}
	return n
}

// votes says how many voters of a home's rows are in each region: two at home, and three in the nearest others.
func (w *world) votes(home regions.Name) map[regions.Name]int {
	votes := map[regions.Name]int{home: votersAtHome}
	near := w.catalog.Nearest(home)[1:]
	if len(near) == 0 {
		return map[regions.Name]int{home: voters}
	}
	for i := range voters - votersAtHome {
		votes[near[i%len(near)]]++
	}
	return votes
}

// quorumLost returns when a home's rows lost their quorum; zero: they have one.
func (w *world) quorumLost(home regions.Name) time.Time {
	votes, left := w.votes(home), voters
	lost := slices.DeleteFunc(slices.Clone(w.states), func(s RegionState) bool { return s.Alive })
	slices.SortFunc(lost, func(a, b RegionState) int { return a.LostAt.Compare(b.LostAt) })
	for _, s := range lost {
		if left -= votes[s.Name]; left < majority {
			return s.LostAt
		}
	}
	return time.Time{}
}

// replication returns the round trip from where a home's leases are to the nearest live regions that make a quorum with
// it. Once home is lost, every voter that is left has to answer.
func (w *world) replication(home RegionState) time.Duration {
	votes := w.votes(home.Name)
	live := slices.DeleteFunc(w.catalog.Names(), func(n regions.Name) bool { return !w.alive(n) || votes[n] == 0 })
	slices.SortFunc(live, func(a, b regions.Name) int {
		return cmp.Compare(w.rtt(home.Leaseholder, a), w.rtt(home.Leaseholder, b))
	})
	answered := 0
	for _, n := range live {
		if answered += votes[n]; answered >= majority {
			return w.rtt(home.Leaseholder, n)
		}
	}
	return 0 // there is no quorum, and nothing is written
}

// visit renders what it costs a gateway to meet a row that is a distance away, and whose leases and quorum are those of a
// home. For a while after these are lost, reads may be served still: of GLOBAL tables for the lead, since until then every
// replica knows that nothing was written (CockroachDB, "Global Tables"; "Follower Reads").
func (w *world) visit(gateway, home RegionState, distance time.Duration, served time.Duration) string {
	since := w.quorumLost(home.Name)
	if gateway.CutOff {
		since = gateway.LostAt
	}
	switch {
	case !since.IsZero():
		return fmt.Sprintf("lost@%s~%s", epoch(since.Add(served)), epoch(since.Add(breakerAfter)))
	case !home.StallUntil.IsZero():
		return fmt.Sprintf("%s@%s~%s", millis(distance), epoch(home.StallFrom.Add(served)), epoch(home.StallUntil))
	}
	return millis(distance)
}

// commit renders what it costs to have written there, with a wait beside the way.
func (w *world) commit(gateway, home RegionState, wait time.Duration) string {
	distance := w.rtt(gateway.Name, home.Leaseholder)
	cell, span, _ := strings.Cut(w.visit(gateway, home, distance, 0), "@")
	_, until, _ := strings.Cut(span, "~")
	if cell == "lost" {
		return "lost//" + until
	}
	return fmt.Sprintf("%s/%s/%s", millis(wait), cell, until)
}

// settings renders what the SQL side reads, as lines of a PostgreSQL configuration file. The leases of GLOBAL tables are in
// the primary region, which is the catalog's first.
func (w *world) settings(version int64) []string {
	lines := []string{fmt.Sprintf("%s = '%d'", versionSetting, version)}
	primary := w.states[0]
	for _, gateway := range w.states {
		var visits, commits []string
		for _, home := range w.states {
			visits = append(visits, w.visit(gateway, home, w.rtt(gateway.Name, home.Leaseholder), 0))
			commits = append(commits, w.commit(gateway, home, w.replication(home)))
		}
		visits = append(visits, w.visit(gateway, primary, 0, Lead))
		commits = append(commits, w.commit(gateway, primary, Lead))
		suffix := strings.ReplaceAll(string(gateway.Name), "-", "_")
		lines = append(lines,
			fmt.Sprintf("meridian.visit_%s = '%s'", suffix, strings.Join(visits, " ")),
			fmt.Sprintf("meridian.commit_%s = '%s'", suffix, strings.Join(commits, " ")))
	}
	return lines
}

func epoch(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	return strings.TrimSuffix(fmt.Sprintf("%g", math.Round(ms*1000)/1000), ".0")
}

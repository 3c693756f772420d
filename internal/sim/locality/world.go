package locality

import (
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
	StallUntil  time.Time    `json:"stall_until"` // until then statements on the region's rows wait; zero: no stall
}

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

// lose takes a region away: the leases that it held stall until the given time, then are with each home's
// nearest live region. If it is cut off, it runs on: its gateway hears of nobody any more.
func (w *world) lose(n regions.Name, until time.Time, cutOff bool) error {
	err := w.edit(n, func(s *RegionState) { s.Alive, s.CutOff = false, cutOff })
	for j := range w.states {
		if s := &w.states[j]; s.Leaseholder == n {
			s.Leaseholder = w.nearestLive(s.Name)
			s.StallUntil = until
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
	err := w.edit(n, func(s *RegionState) { s.Alive, s.CutOff, s.Slowness = true, false, 1 })
	for j := range w.states {
		s := &w.states[j]
		if holder := w.nearestLive(s.Name); holder == s.Name || !w.alive(s.Leaseholder) {
			s.Leaseholder = holder
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

// quorum reports whether more than half of the regions live.
func (w *world) quorum() bool {
	live := 0
	for _, s := range w.states {
		if s.Alive {
			live++
		}
	}
	return 2*live > len(w.states)
}

// replication returns the round trip from a leaseholder to its nearest other live region.
func (w *world) replication(holder regions.Name) time.Duration {
	var least time.Duration
	for _, s := range w.states {
		if s.Name != holder && s.Alive && (least == 0 || w.rtt(holder, s.Name) < least) {
			least = w.rtt(holder, s.Name)
		}
	}
	return least
}

// commitWait is what a write to a GLOBAL table costs: the largest round trip between live regions, so that
// every region can read it locally once it is acknowledged.
func (w *world) commitWait() time.Duration {
	var most time.Duration
	for _, a := range w.states {
		for _, b := range w.states {
			if a.Alive && b.Alive {
				most = max(most, w.rtt(a.Name, b.Name))
			}
		}
	}
	return most
}

// settings renders what the SQL side reads, as lines of a PostgreSQL configuration file.
func (w *world) settings(version int64) []string {
	lines := []string{fmt.Sprintf("%s = '%d'", versionSetting, version)}
	for _, gateway := range w.states {
		var visits, commits []string
		for _, home := range w.states {
			distance := millis(w.rtt(gateway.Name, home.Leaseholder))
			visit, until := distance, ""
			if !home.StallUntil.IsZero() {
				until = fmt.Sprintf("%.3f", float64(home.StallUntil.UnixMilli())/1000)
				visit += "@" + until
			}
			visits = append(visits, visit)
			commits = append(commits, fmt.Sprintf("%s/%s/%s", millis(w.replication(home.Leaseholder)), distance, until))
		}
		commits = append(commits, millis(w.commitWait())+"/0/")
		if !w.quorum() || gateway.CutOff {
			visits = slices.Repeat([]string{"lost"}, len(visits))
			commits = slices.Repeat([]string{"lost"}, len(commits))
		}
		suffix := strings.ReplaceAll(string(gateway.Name), "-", "_")
		lines = append(lines,
			fmt.Sprintf("meridian.visit_%s = '%s'", suffix, strings.Join(visits, " ")),
			fmt.Sprintf("meridian.commit_%s = '%s'", suffix, strings.Join(commits, " ")))
	}
	return lines
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	return strings.TrimSuffix(fmt.Sprintf("%g", math.Round(ms*1000)/1000), ".0")
}

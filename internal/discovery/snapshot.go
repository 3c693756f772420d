package discovery

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Endpoint is one stack instance as this edge reaches it. The same Endpoint appears in every snapshot while
// the instance keeps its id and address, so its load survives changes of the view. Safe for concurrent use.
type Endpoint struct {
	ID     string // the instance's name
	Addr   string // host:port to dial from here, translated
	Region regions.Name
	Target string // what the instance serves, as it registered: all, or modules by comma

	modules  []string // nil: all
	inFlight atomic.Int64
	answered atomic.Int64  // when it last answered a probe well, Unix nanoseconds
	failures atomic.Int32  // requests in a row that came to nothing there
	load     atomic.Uint64 // part of its capacity in use, smoothed; the bits of a float64
	fresh    time.Duration

	mu   sync.Mutex
	seen []netip.Addr // whose requests failures counts: the first few of them
}

// NewEndpoint returns an endpoint. rtt is the round trip to it.
func NewEndpoint(id, addr string, region regions.Name, target string, rtt time.Duration) *Endpoint {
	return &Endpoint{ID: id, Addr: addr, Region: region, Target: target, modules: modulesOf(target), fresh: 2*probeInterval + rtt}
}

// modulesOf reads a target; nil is all. One that says nothing is of an instance that registered without any.
func modulesOf(target string) []string {
	modules := strings.FieldsFunc(target, func(r rune) bool { return r == ',' || r == ' ' })
	if len(modules) == 0 || slices.Contains(modules, targetAll) {
		return nil
	}
	return modules
}

const targetAll = "all"

// Serves reports whether the instance serves a module, such as order. "" stands for what every instance serves.
func (e *Endpoint) Serves(module string) bool {
	return module == "" || e.modules == nil || slices.Contains(e.modules, module)
}

// Fresh reports whether the instance answered a probe so lately that it cannot be hanging for long. An
// instance may be healthy and not fresh: it takes two missed probes to fall.
func (e *Endpoint) Fresh() bool { return time.Since(time.Unix(0, e.answered.Load())) < e.fresh }

// Answered notes that the instance answered a probe well now.
func (e *Endpoint) Answered() { e.answered.Store(time.Now().UnixNano()) }

// loadGain is the weight of a new reading of an instance's load: with a reading every probe, it is smoothed over
// some two seconds, so that what is sent elsewhere settles instead of swinging.
const loadGain = 0.125

// Loaded takes in what part of its capacity an instance says that it uses.
func (e *Endpoint) Loaded(reading float64) {
	before := math.Float64frombits(e.load.Load())
	e.load.Store(math.Float64bits(before + loadGain*(reading-before)))
}

// Acquire counts one more request on its way to the instance.
func (e *Endpoint) Acquire() { e.inFlight.Add(1) }

// Release counts one less.
func (e *Endpoint) Release() { e.inFlight.Add(-1) }

// InFlight returns how many requests this edge has under way at the instance.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Member is an instance in one snapshot.
type Member struct {
	*Endpoint
	Healthy bool      // it answers probes and is not ejected
	Ejected bool      // it failed requests in a row and is left alone for a while
	Since   time.Time // when it became healthy; zero: long ago
	// Up is not done as long as the instance answers. It is done when a healthy instance stopped answering
	// (no answer or a refused connection; not when it merely says that it is draining), so that requests
	// that wait for it can be tried elsewhere at once.
	Up context.Context
}

// Source says where a region's membership comes from.
type Source string

// The sources, best first.
const (
	SourceConsul    Source = "consul"          // the region's own Consul
	SourceCrossDC   Source = "cross_dc"        // the local Consul's federated view of it
	SourceLastKnown Source = "last_known_good" // neither answers: what was known before
	SourceNone      Source = "none"            // never heard of
)

// Region is one region in one snapshot.
type Region struct {
	Name    regions.Name
	Members []Member // by id
	Healthy []Member // those of Members that are healthy
	Source  Source
	Control Control
	Standing
}

// Standing is whether a region is trusted with requests. A region that lost its last healthy instance, or failed
// requests on all of them, is ejected until a request succeeded there; then it starts slowly.
type Standing struct {
	Ejected bool
	Until   time.Time // while ejected: no request is to try it before this moment
	Since   time.Time // when it was last readmitted; zero: never ejected

	slowStart time.Duration
}

// Trial reports whether a request may try an ejected region.
func (s Standing) Trial(now time.Time) bool { return s.Ejected && !now.Before(s.Until) }

// Ramp returns how far a readmitted region has warmed up, 1 to 100 percent.
func (s Standing) Ramp(now time.Time) int { return ramp(s.Since, now, s.slowStart, 100) }

// Ramp returns how far an instance has warmed up since it became healthy, 1 to steps.
func (m Member) Ramp(now time.Time, steps int) int { return ramp(m.Since, now, SlowStart, steps) }

func ramp(since, now time.Time, over time.Duration, steps int) int {
	if age := now.Sub(since); !since.IsZero() && age < over {
		return max(1, int(int64(steps)*int64(age)/int64(over)))
	}
	return steps
}

// Load returns what part of their capacity the region's healthy instances use, 0 where they do not say.
func (r Region) Load() float64 {
	sum := 0.0
	for _, m := range r.Healthy {
		sum += math.Float64frombits(m.load.Load())
	}
	return sum / float64(max(1, len(r.Healthy)))
}

// Snapshot is the view of every region at one moment. It never changes; do not write to its slices.
type Snapshot struct {
	regions []Region
	byName  map[regions.Name]Region

	partial bool     // some instance serves not all modules
	only    sync.Map // by module: *Snapshot, made when it is first asked for
}

// For returns the view of only those instances that serve a module; of all for "". It costs nothing where every
// instance serves all.
func (s *Snapshot) For(module string) *Snapshot {
	if !s.partial || module == "" {
		return s
	}
	found, _ := s.only.Load(module)
	if made, ok := found.(*Snapshot); ok {
		return made
	}
	other := func(m Member) bool { return !m.Serves(module) }
	list := slices.Clone(s.regions)
	for i := range list {
		list[i].Members = slices.DeleteFunc(slices.Clone(list[i].Members), other)
		list[i].Healthy = slices.DeleteFunc(slices.Clone(list[i].Healthy), other)
	}
	made := NewSnapshot(list)
	s.only.Store(module, made)
	return made
}

// Regions returns every region of the set, in its order.
func (s *Snapshot) Regions() []Region { return s.regions }

// Region returns one region; the zero Region when the set does not have it.
func (s *Snapshot) Region(n regions.Name) Region {
	return s.byName[n]
}

// Counts returns how many instances of a region are healthy, of how many.
func (s *Snapshot) Counts(n regions.Name) (healthy, total int) {
	r := s.Region(n)
	return len(r.Healthy), len(r.Members)
}

// NewSnapshot returns a snapshot of the given regions, as they are.
func NewSnapshot(list []Region) *Snapshot {
	s := &Snapshot{regions: list, byName: make(map[regions.Name]Region, len(list))}
	for _, r := range list {
		s.byName[r.Name] = r
		s.partial = s.partial || slices.ContainsFunc(r.Members, func(m Member) bool { return m.modules != nil })
	}
	return s
}

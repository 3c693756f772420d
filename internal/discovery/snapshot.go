package discovery

import (
	"context"
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
	Target string // what the instance serves, as it registered

	inFlight atomic.Int64
	answered atomic.Int64 // when it last answered a probe well, Unix nanoseconds
	fresh    time.Duration
}

// NewEndpoint returns an endpoint. rtt is the round trip to it.
func NewEndpoint(id, addr string, region regions.Name, target string, rtt time.Duration) *Endpoint {
	return &Endpoint{ID: id, Addr: addr, Region: region, Target: target, fresh: 2*probeInterval + rtt}
}

// Fresh reports whether the instance answered a probe so lately that it cannot be hanging for long. An
// instance may be healthy and not fresh: it takes two missed probes to fall.
func (e *Endpoint) Fresh() bool { return time.Since(time.Unix(0, e.answered.Load())) < e.fresh }

// Answered notes that the instance answered a probe well now.
func (e *Endpoint) Answered() { e.answered.Store(time.Now().UnixNano()) }

// Acquire counts one more request on its way to the instance.
func (e *Endpoint) Acquire() { e.inFlight.Add(1) }

// Release counts one less.
func (e *Endpoint) Release() { e.inFlight.Add(-1) }

// InFlight returns how many requests this edge has under way at the instance.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Member is an instance in one snapshot.
type Member struct {
	*Endpoint
	Healthy bool
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
}

// Snapshot is the view of every region at one moment. It never changes; do not write to its slices.
type Snapshot struct {
	regions []Region
	index   map[regions.Name]int
}

// Regions returns every region of the catalog, in its order.
func (s *Snapshot) Regions() []Region { return s.regions }

// Region returns one region; the zero Region when the catalog does not have it.
func (s *Snapshot) Region(n regions.Name) Region {
	if i, ok := s.index[n]; ok {
		return s.regions[i]
	}
	return Region{}
}

// Counts returns how many instances of a region are healthy, of how many.
func (s *Snapshot) Counts(n regions.Name) (healthy, total int) {
	if i, ok := s.index[n]; ok {
		return len(s.regions[i].Healthy), len(s.regions[i].Members)
	}
	return 0, 0
}

// NewSnapshot returns a snapshot of the given regions, as they are.
func NewSnapshot(list []Region) *Snapshot {
	s := &Snapshot{regions: list, index: make(map[regions.Name]int, len(list))}
	for i, r := range list {
		s.index[r.Name] = i
	}
	return s
}

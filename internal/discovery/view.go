package discovery

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Config says what to watch.
type Config struct {
	Regions *regions.Set
	Region  regions.Name            // where this process runs
	Consul  map[regions.Name]string // host:port of each region's own Consul, as reachable from here
	NAT     NAT                     // how discovered addresses are reached from here
	TLS     *tls.Config             // how instances are probed; nil: in clear text
	Logger  *slog.Logger            // nil: none

	Recovery Recovery // how what failed comes back; zero: the default
	Dial     Dial     // how Consul and instances are connected to; nil: over the network
	// Measured, if not nil, is called with the round trips between regions whenever the local Consul estimates them.
	// It must not block.
	Measured func(map[Pair]time.Duration)
}

// Dial connects to a host:port, as net.Dialer's DialContext does.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// View watches every region of a set. Make one with NewView; it is safe for concurrent use.
type View struct {
	regions *regions.Set
	region  regions.Name
	nat     NAT
	log     *slog.Logger

	own     map[regions.Name]directory // by region; may lack some
	crossDC directory                  // the local Consul; nil without one
	local   controls                   // the local Consul too; nil without one
	probe   Prober
	close   func() // ends the probes' idle connections; nil: there are none

	recovery Recovery
	measured func(map[Pair]time.Duration)
	snapshot atomic.Pointer[Snapshot]
	ejected  atomic.Int32 // regions that are

	mu      sync.Mutex // guards what follows, and the order of snapshots
	states  map[regions.Name]*regionState
	control map[regions.Name]Control // what operators said last
	running context.Context          // of Run; nil outside it
	probes  sync.WaitGroup
}

// NewView returns a view that knows nothing yet; Run fills it.
func NewView(cfg Config) (*View, error) {
	if cfg.Regions == nil {
		return nil, errors.New("discovery: a view needs a set of regions")
	}
	if _, ok := cfg.Regions.Lookup(cfg.Region); !ok {
		return nil, fmt.Errorf("discovery: region %q is not in the set of regions", cfg.Region)
	}
	v := newView(cfg)
	for name, addr := range cfg.Consul {
		if _, ok := cfg.Regions.Lookup(name); !ok {
			return nil, fmt.Errorf("discovery: Consul of %q: the region is not in the set of regions", name)
		}
		client, err := newConsulClient(addr, cfg.Dial)
		if err != nil {
			return nil, err
		}
		v.own[name] = &consulDirectory{client: client}
		if name == cfg.Region {
			// The local Consul also answers for other regions, should their own not be reachable from here.
			v.crossDC = &consulDirectory{client: client, crossDC: true}
			v.local = &consulControls{client}
		}
	}
	v.probe, v.close = newHTTPProber(cfg.TLS, cfg.Dial)
	return v, nil
}

func newView(cfg Config) *View {
	v := &View{
		regions: cfg.Regions, region: cfg.Region, nat: cfg.NAT, log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)),
		own: map[regions.Name]directory{}, states: map[regions.Name]*regionState{},
		recovery: cfg.Recovery.orDefault(), measured: cfg.Measured,
	}
	for _, n := range cfg.Regions.Names() {
		v.states[n] = &regionState{name: n, source: SourceNone, instances: map[string]*tracked{}}
	}
	v.publish()
	return v
}

// Snapshot returns the present view. It never blocks.
func (v *View) Snapshot() *Snapshot { return v.snapshot.Load() }

// Run watches and probes until ctx is done, and returns nil then. It is called once.
func (v *View) Run(ctx context.Context) error {
	v.mu.Lock()
	if v.running != nil {
		v.mu.Unlock()
		return errors.New("discovery: Run was called before")
	}
	v.running = ctx
	started := time.Now()
	for _, s := range v.states {
		s.since = started
	}
	v.mu.Unlock()
	var watches sync.WaitGroup
	for _, n := range v.regions.Names() {
		watches.Go(func() { v.watch(ctx, n) })
	}
	if v.local != nil {
		watches.Go(func() { v.watchControls(ctx) })
		watches.Go(func() { v.watchRoundTrips(ctx) })
	}
	watches.Wait()
	// Connections are closed last, when no probe can open one any more.
	v.probes.Wait()
	if v.close != nil {
		v.close()
	}
	return nil
}

// settleAfter is how long a region may stay unheard of before the view counts as loaded without it: an edge
// must be able to start while a region is lost.
const settleAfter = 10 * time.Second

// Ready returns nil when every region was listed and each listed instance probed at least once, or a region
// that cannot be listed has been asked for a while; and at least one instance is healthy. Once nil, a lost
// Consul does not change that.
func (v *View) Ready() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var missing []string
	healthy := 0
	for _, n := range v.regions.Names() {
		s := v.states[n]
		if reason := s.unsettled(); reason != "" {
			missing = append(missing, string(n)+" "+reason)
		}
		healthy += s.count(func(t *tracked) bool { return t.check.healthy })
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("discovery: not loaded yet: %s", strings.Join(missing, ", "))
	case healthy == 0:
		return errors.New("discovery: no region has a healthy instance")
	}
	return nil
}

// publish makes a snapshot of the states. The caller holds mu (or nobody else knows v yet).
func (v *View) publish() {
	names := v.regions.Names()
	list := make([]Region, len(names))
	for i, n := range names {
		list[i] = v.states[n].view()
	}
	v.noticeLosses(list, time.Now())
	ejected := int32(0)
	for i, n := range names {
		list[i].Standing, list[i].Control = v.states[n].standing.Standing, controlOf(v.control, n)
		if list[i].Ejected {
			ejected++
		}
	}
	v.ejected.Store(ejected)
	v.snapshot.Store(NewSnapshot(list))
}

// view renders one region's instances.
func (s *regionState) view() Region {
	r := Region{Name: s.name, Source: s.source, Members: make([]Member, 0, len(s.instances))}
	for _, t := range s.instances {
		m := Member{Endpoint: t.endpoint, Healthy: t.serving(), Ejected: t.ejection.on, Since: t.since, Up: t.up}
		r.Members = append(r.Members, m)
	}
	slices.SortFunc(r.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	for _, m := range r.Members {
		if m.Healthy {
			r.Healthy = append(r.Healthy, m)
		}
	}
	return r
}

package app

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/internal/health/healthsql"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	pingEvery   = 500 * time.Millisecond
	pingTimeout = time.Second
	beatEvery   = time.Second
	beatAgain   = 250 * time.Millisecond // after a refusal that one more would confirm
	beatTimeout = 3 * time.Second

	tolerableLag = 30 * time.Second // of the relay: well over the time that leases take to move
	tolerableUse = 5 * time.Second  // of all that the instance can do
)

// ReadyPath is where an instance's API port says whether it wants requests; edges probe it.
const ReadyPath = discovery.ReadyPath

// probes are how an instance finds out about itself.
type probes struct {
	ping   func(ctx context.Context) error                          // does the database's gateway answer?
	beat   func(ctx context.Context) error                          // can a row of this region be written?
	behind func(now time.Time) (home regions.Name, d time.Duration) // how far is the relay behind, of which region?
	load   func(now time.Time) float64                              // what part of what the instance can do is in use?
}

// monitor keeps asking whether the instance can do its job, so that a probe is answered at once from memory.
type monitor struct {
	probes
	readiness *telemetry.Readiness

	mu      sync.Mutex // guards what follows
	gateway health.Streak
	quorum  health.Quorum
	full    health.Spell
	fullFor time.Duration
}

func newMonitor(p probes, r *telemetry.Readiness) *monitor { return &monitor{probes: p, readiness: r} }

// run asks until ctx ends.
func (m *monitor) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { every(ctx, m.look) })
	both.Go(func() { every(ctx, m.write) })
	both.Wait()
}

// every calls a function until ctx ends, each time so long after the call before began as that said.
func every(ctx context.Context, do func(context.Context) time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		pause := time.NewTimer(time.Until(began.Add(do(ctx))))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// look asks for the gateway and the load.
func (m *monitor) look(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := m.ping(limited)
	now := time.Now()
	load := m.load(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gateway.Observe(err)
	m.fullFor = m.full.Observe(now, load >= 1)
	return pingEvery
}

// write asks whether the region's rows can be written.
func (m *monitor) write(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err := m.beat(limited)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.quorum.Written(time.Now())
	case healthsql.Refuses(err):
		m.quorum.Refused(err)
	default:
		m.quorum.Silent(err)
	}
	if m.quorum.Doubtful() {
		return beatAgain
	}
	return beatEvery
}

// database is nil while the database's gateway answers.
func (m *monitor) database(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gateway.Err()
}

// writable is nil while rows of this region can be written.
func (m *monitor) writable(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.quorum.Err(time.Now())
}

// relay is nil while this instance's part of the relay keeps up.
func (m *monitor) relay(context.Context) error {
	home, behind := m.behind(time.Now())
	if behind <= tolerableLag {
		return nil
	}
	return fmt.Errorf("the relay of %s has had events left to publish for %v", home, behind.Round(time.Second))
}

// room is nil unless the instance has been at its limit for a while.
func (m *monitor) room(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fullFor <= tolerableUse {
		return nil
	}
	return fmt.Errorf("at its limit for %v", m.fullFor.Round(time.Second))
}

// ready is nil when the instance wants requests.
func (m *monitor) ready(ctx context.Context) error {
	if err := m.database(ctx); err != nil {
		return err
	}
	return m.writable(ctx)
}

// checks are what /readyz tells.
func (m *monitor) checks() []telemetry.Check {
	return []telemetry.Check{
		{Name: "database", Run: m.database}, {Name: "quorum", Run: m.writable},
		{Name: "relay", Run: m.relay, Soft: true}, {Name: "load", Run: m.room, Soft: true},
	}
}

// ServeHTTP answers ReadyPath.
func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if m.ready(r.Context()) != nil || m.readiness.Draining() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(discovery.LoadHeader, strconv.FormatFloat(m.load(time.Now()), 'f', 3, 64))
	w.WriteHeader(http.StatusOK)
}

// register registers the metrics of the instance's health.
func (m *monitor) register(registry prometheus.Registerer) error {
	well := func(check func(context.Context) error) float64 {
		if check(context.Background()) == nil {
			return 1
		}
		return 0
	}
	gauges := map[string]struct {
		help string
		read func() float64
	}{
		"meridian_health_ready":    {"1 while the instance wants requests.", func() float64 { return well(m.ready) }},
		"meridian_health_writable": {"1 while rows of the instance's region can be written.", func() float64 { return well(m.writable) }},
		"meridian_health_load":     {"Part of what the instance can do that is in use; 1 at its limit.", func() float64 { return m.load(time.Now()) }},
		"meridian_health_relay_behind_seconds": {"How long this instance's relay has had events left to publish.", func() float64 {
			_, behind := m.behind(time.Now())
			return behind.Seconds()
		}},
	}
	for name, g := range gauges {
		if err := registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, g.read)); err != nil {
			return fmt.Errorf("app: register metrics: %w", err)
		}
	}
	return nil
}

// Package monitor keeps asking whether a stack instance can do its job, judges the answers by the rules of package health,
// and says what came of it: to edges at their probe's path, to operators at /readyz, and as metrics.
//
// What it promises: whoever asks is answered at once, from memory; a question that hangs delays no other.
package monitor

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/clock"
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

// Probes are how an instance finds out about itself.
type Probes struct {
	Clock  clock.Clock                                              // the machine's
	Ping   func(ctx context.Context) (time.Time, error)             // does the database's gateway answer, and what time is it there?
	Beat   func(ctx context.Context) error                          // can a row of this region be written?
	Read   func(ctx context.Context) error                          // can a row be read that is in every region?
	Behind func(now time.Time) (home regions.Name, d time.Duration) // how far is the relay behind, of which region?
	Load   func(now time.Time) float64                              // what part of what the instance can do is in use?
}

// Monitor is what an instance knows of itself. It is safe for concurrent use.
type Monitor struct {
	probes    Probes
	readiness *telemetry.Readiness

	mu      sync.Mutex // guards what follows
	gateway health.Streak
	skew    time.Duration // of this machine's clock, at the last ping that was answered
	inTime  health.Streak // whether that is little
	quorum  health.Quorum
	global  health.Streak // whether rows that are in every region can be read
	full    health.Spell
	fullFor time.Duration
}

// New returns a Monitor that knows nothing before Run. Nothing is wanted of an instance that drains, whatever else it is.
func New(p Probes, r *telemetry.Readiness) *Monitor { return &Monitor{probes: p, readiness: r} }

// Run asks until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	var all sync.WaitGroup
	// A loop for each, because a question that hangs must not delay what the others find out.
	for _, ask := range []func(context.Context) time.Duration{m.look, m.read, m.write} {
		all.Go(func() { every(ctx, ask) })
	}
	all.Wait()
}

// every calls a function until ctx ends, each time so long after the call before began as that said.
func every(ctx context.Context, do func(context.Context) time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		_ = clock.Sleep(ctx, time.Until(began.Add(do(ctx)))) // the loop looks at ctx
	}
}

// look asks for the gateway and the load.
func (m *Monitor) look(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	// Not under the lock: who asks for a verdict must never wait for the database.
	before := m.probes.Clock()
	there, err := m.probes.Ping(limited)
	after := m.probes.Clock()
	now := time.Now()
	load := m.probes.Load(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gateway.Observe(err)
	if err == nil {
		m.skew = health.Skew(before, after, there)
		m.inTime.Observe(health.InTime(m.skew))
	}
	m.fullFor = m.full.Observe(now, load >= 1)
	return pingEvery
}

// read asks for a row that is in every region.
func (m *Monitor) read(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := m.probes.Read(limited) // not under the lock, as a ping
	m.mu.Lock()
	defer m.mu.Unlock()
	m.global.Observe(err)
	return pingEvery
}

// write asks whether the region's rows can be written.
func (m *Monitor) write(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	// Not under the lock, for the same reason as a ping.
	err := m.probes.Beat(limited)
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
	// One more refusal would settle it, so the next attempt comes soon.
	if m.quorum.Doubtful() {
		return beatAgain
	}
	return beatEvery
}

// database is nil while the database's gateway answers.
func (m *Monitor) database(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gateway.Err()
}

// clock is nil while this machine's is about the database's.
func (m *Monitor) clock(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inTime.Err()
}

// writable is nil while rows of this region can be written.
func (m *Monitor) writable(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.quorum.Err(time.Now(), m.global.Err() != nil)
}

// relay is nil while this instance's part of the relay keeps up.
func (m *Monitor) relay(context.Context) error {
	home, behind := m.probes.Behind(time.Now())
	if behind <= tolerableLag {
		return nil
	}
	return fmt.Errorf("the relay of %s has had events left to publish for %v", home, behind.Round(time.Second))
}

// room is nil unless the instance has been at its limit for a while.
func (m *Monitor) room(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fullFor <= tolerableUse {
		return nil
	}
	return fmt.Errorf("at its limit for %v", m.fullFor.Round(time.Second))
}

// ready is nil when the instance wants requests.
func (m *Monitor) ready(ctx context.Context) error {
	if err := m.database(ctx); err != nil {
		return err
	}
	if err := m.clock(ctx); err != nil {
		return err
	}
	return m.writable(ctx)
}

// Checks are what /readyz tells.
func (m *Monitor) Checks() []telemetry.Check {
	return []telemetry.Check{
		{Name: "database", Run: m.database}, {Name: "clock", Run: m.clock}, {Name: "quorum", Run: m.writable},
		{Name: "relay", Run: m.relay, Soft: true}, {Name: "load", Run: m.room, Soft: true},
	}
}

// ServeHTTP answers discovery.ReadyPath, and tells edges the load.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// An old verdict is worse than none.
	w.Header().Set("Cache-Control", "no-store")
	if m.ready(r.Context()) != nil || m.readiness.Draining() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(discovery.LoadHeader, strconv.FormatFloat(m.probes.Load(time.Now()), 'f', 3, 64))
	w.WriteHeader(http.StatusOK)
}

// Register registers the metrics of the instance's health.
func (m *Monitor) Register(registry prometheus.Registerer) error {
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
		"meridian_health_load":     {"Part of what the instance can do that is in use; 1 at its limit.", func() float64 { return m.probes.Load(time.Now()) }},
		"meridian_health_clock_skew_seconds": {"How far this machine's clock is ahead of the database's; less than 0: behind.", func() float64 {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.skew.Seconds()
		}},
		"meridian_health_relay_behind_seconds": {"How long this instance's relay has had events left to publish.", func() float64 {
			_, behind := m.probes.Behind(time.Now())
			return behind.Seconds()
		}},
	}
	for name, g := range gauges {
		if err := registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, g.read)); err != nil {
			return fmt.Errorf("monitor: register metrics: %w", err)
		}
	}
	return nil
}

package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/geoip"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// Config configures an edge.
type Config struct {
	Regions        *regions.Set
	Region         regions.Name            // where the edge is
	Consul         map[regions.Name]string // host:port of each region's own Consul, as reachable from here
	TrustedProxies []string                // networks whose forwarding and geography headers are believed, CIDR
	PeerNAT        []string                // how stack addresses are reached from here, real/24=translated/24
	GeoIPFile      string                  // a MaxMind DB file; "": none
	StackTLS       *tls.Config             // how connections to stacks are secured; nil: clear text
	recovery       discovery.Recovery      // zero: the default
	dial           discovery.Dial          // of what the edge asks about instances; nil: over the network
	HedgePercent   int                     // of GLOBAL reads under way may be asked of two stacks at once; 0: none
	LogPercent     int                     // of requests that go well have a line in the access log, as all others have; 0: none
	MaxBody        int64                   // most bytes of a request's body, unless it is a stream; 0: any number
}

// Deps are what an edge works with. Only Tokens is required.
type Deps struct {
	Tokens     TokenVerifier
	Metrics    prometheus.Registerer         // nil: metrics are not registered
	Logger     *slog.Logger                  // nil: none
	Tracer     trace.TracerProvider          // nil: nothing is recorded, but traces go on from callers to stacks
	Propagator propagation.TextMapPropagator // nil: W3C trace context
}

// Claims are what a verified access token says.
type Claims struct {
	Subject string // the user's id
	Home    regions.Name
}

// TokenVerifier verifies access tokens without calling anyone. It is safe for concurrent use.
type TokenVerifier interface {
	// Verify returns the claims of a token that is genuine and has not expired.
	Verify(token string) (Claims, error)
}

// view is what the edge needs of a discovery.View.
type view interface {
	Snapshot() *discovery.Snapshot
	ReportFailure(e *discovery.Endpoint, err error)
	Report(e *discovery.Endpoint, ok bool, from netip.Addr)
	Ready() error
	Run(ctx context.Context) error
}

// Edge is an edge. It is safe for concurrent use.
type Edge struct {
	regions   *regions.Set
	region    regions.Name
	view      view
	geoip     *geoip.Database // nil: none
	locator   *geo.Locator
	ranking   *geo.Ranking
	policy    atomic.Pointer[decide.Policy]
	trials    map[regions.Name]*atomic.Int32 // of ejected regions, under way
	methods   *method.Table
	tokens    TokenVerifier
	upstreams map[regions.Name]*upstream
	timeout   time.Duration // for the headers of one attempt's answer
	pause     time.Duration // at most, before a repetition
	maxBody   int64         // bytes; 0: any number
	patience  time.Duration // for a request's body
	budget    budget        // of requests that touch a user's rows
	reads     budget        // of those that read GLOBAL data
	hedges    hedges
	metrics   *metrics
	log       *slog.Logger
	buffers   *bufferPool
	exchanges sync.Pool // *exchange
	draining  atomic.Bool
	tracing   tracing

	logPercent  uint64   // of requests that go well, in the access log
	regionValue []string // region, as a header's value
}

// New returns an edge that serves once Run runs. Errors are about the configuration.
func New(cfg Config, deps Deps) (*Edge, error) {
	if cfg.Regions == nil {
		return nil, errors.New("edge: it needs a set of regions")
	}
	nat, err := discovery.ParseNAT(cfg.PeerNAT)
	if err != nil {
		return nil, fmt.Errorf("edge: peer NAT: %w", err)
	}
	var e *Edge
	v, err := discovery.NewView(discovery.Config{
		Regions: cfg.Regions, Region: cfg.Region, Consul: cfg.Consul, NAT: nat, TLS: cfg.StackTLS, Logger: deps.Logger, Recovery: cfg.recovery, Dial: cfg.dial,
		Measured: func(found map[discovery.Pair]time.Duration) { e.measured(found) },
	})
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	e, err = newEdge(cfg, deps, v)
	return e, err
}

func newEdge(cfg Config, deps Deps, v view) (*Edge, error) {
	if deps.Tokens == nil {
		return nil, errors.New("edge: it needs a token verifier")
	}
	if cfg.LogPercent < 0 || cfg.LogPercent > 100 {
		return nil, fmt.Errorf("edge: %d percent of requests logged; it is 0 to 100", cfg.LogPercent)
	}
	if cfg.HedgePercent < 0 || cfg.HedgePercent > mostHedged {
		return nil, fmt.Errorf("edge: %d percent of reads hedged; it is 0 to %d", cfg.HedgePercent, mostHedged)
	}
	deps.complete()
	e := &Edge{
		logPercent: uint64(cfg.LogPercent),
		hedges:     hedges{percent: int64(cfg.HedgePercent), paces: map[string]*pace{}},
		regions:    cfg.Regions, region: cfg.Region, maxBody: cfg.MaxBody, view: v, tokens: deps.Tokens, log: deps.Logger,
		timeout: headerTimeout, pause: retryPause, patience: bodyTimeout, tracing: newTracing(deps),
		regionValue: []string{string(cfg.Region)}, buffers: newBufferPool(),
	}
	if err := e.decideBy(cfg); err != nil {
		return nil, err
	}
	e.upstreams, e.trials = make(map[regions.Name]*upstream), make(map[regions.Name]*atomic.Int32)
	var err error
	for _, n := range e.regions.Names() {
		e.trials[n] = new(atomic.Int32)
		if e.upstreams[n], err = newUpstream(e.regions.RTT(e.region, n), cfg.StackTLS); err != nil {
			return nil, err
		}
	}
	if e.metrics, err = newMetrics(e, deps.Metrics); err != nil {
		return nil, err
	}
	return e, nil
}

// decideBy sets up locating and deciding.
func (e *Edge) decideBy(cfg Config) error {
	trusted, err := geo.ParseProxies(cfg.TrustedProxies)
	if err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	var countries geo.Countries
	if cfg.GeoIPFile != "" {
		if e.geoip, err = geoip.Open(cfg.GeoIPFile, e.log); err != nil {
			return fmt.Errorf("edge: %w", err)
		}
		countries = e.geoip
	}
	if e.locator, err = geo.NewLocator(e.regions, e.region, trusted, countries); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	e.ranking = geo.NewRanking(e.regions)
	policy, err := decide.NewPolicy(e.regions, e.region, e.ranking.Proximity())
	if err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	e.policy.Store(policy)
	if e.methods, err = method.Linked(); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	return nil
}

func (d *Deps) complete() {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Propagator == nil {
		d.Propagator = propagation.TraceContext{}
	}
}

// Handler serves the API: everything that callers send. It works over HTTP/1.1 and HTTP/2.
func (e *Edge) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == discovery.ReadyPath {
			e.serveReady(w)
			return
		}
		e.serve(w, r)
	})
}

// Run discovers and probes stacks until ctx is done, and returns nil then. It is called once.
func (e *Edge) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.view.Run(ctx) })
	if e.geoip != nil {
		group.Go(func() error { return e.geoip.Watch(ctx) })
	}
	err := group.Wait()
	for _, u := range e.upstreams {
		u.closeIdle()
	}
	if err != nil {
		return fmt.Errorf("edge: run: %w", err)
	}
	return nil
}

// Ready returns nil when the edge can do its job: it knows every region, or has asked for it long enough, and
// at least one stack is healthy. A Consul that is lost later does not change that.
func (e *Edge) Ready() error {
	if e.draining.Load() {
		return errors.New("edge: it is draining")
	}
	return e.view.Ready()
}

// Drain makes the edge not ready, so that what stands before it sends new requests elsewhere. It goes on
// serving those that come.
func (e *Edge) Drain() { e.draining.Store(true) }

// serveReady answers the health checks of what stands before the edge on the port that it uses.
func (e *Edge) serveReady(w http.ResponseWriter) {
	if err := e.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/meridian-commerce/meridian/internal/account/accountrpc"
	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/internal/health/healthsql"
	"github.com/meridian-commerce/meridian/internal/health/monitor"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/order/orderredis"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

// maxBody bounds a request's body: 1 MiB.
const maxBody = 1 << 20

// stack is what the modules of one instance share.
type stack struct {
	process
	regions  *regions.Set
	clock    clock.Clock
	db       *sqldb.DB
	cache    *cache.Cache
	orders   *orderredis.Feed
	keys     *accountrpc.Keys
	methods  *method.Table
	mux      *http.ServeMux
	handlers []connect.HandlerOption
	requests *health.Meter // under way
	conns    *health.Meter // of the pool, that are in use
	relay    relayProgress
}

// RunStack runs a stack instance until ctx ends.
func RunStack(ctx context.Context, c config.Config) error {
	s := &stack{process: process{config: c, draining: make(chan struct{})}, clock: clock.System(), mux: http.NewServeMux()}
	if err := s.build(ctx); err != nil {
		return errors.Join(err, s.closers.close(context.WithoutCancel(ctx)))
	}
	return s.run(ctx)
}

func (s *stack) build(ctx context.Context) error {
	c := s.config
	err := errors.Join(c.Require("region", "instance", "database.url", "auth.keys_file"), plant.Check())
	if err != nil {
		return err
	}
	if s.regions, err = c.RegionSet(); err != nil {
		return err
	}
	if s.methods, err = method.Linked(); err != nil {
		return err
	}
	if s.telemetry, err = startTelemetry(ctx, c, "meridian", &s.closers); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, name := range modulesOf(c.Target) {
		module, known := modules()[name]
		if !known {
			return fmt.Errorf("app: target %q is none of %s", name, strings.Join(moduleNames(), ", "))
		}
		if err := module(ctx, s); err != nil {
			return fmt.Errorf("app: module %s: %w", name, err)
		}
	}
	if err := s.consume(modulesOf(c.Target)); err != nil {
		return err
	}
	return s.serveOn(ctx)
}

// open connects to the region's database gateway and Redis, neither of which has to be there yet.
func (s *stack) open(ctx context.Context) error {
	c := s.config
	s.requests, s.conns = health.NewMeter(c.Capacity.Requests, time.Now()), health.NewMeter(int(c.Database.MaxConns), time.Now())
	tracer := otelpgx.NewTracer(otelpgx.WithTracerProvider(s.telemetry.Tracers), otelpgx.WithDisableConnectionDetailsInAttributes())
	c.Database.Tracer = &healthsql.PoolMeter{Tracer: tracer, Connections: s.conns}
	var err error
	if s.db, err = sqldb.Open(ctx, c.Database); err != nil {
		return err
	}
	s.closers.addFunc(s.db.Close)
	if err := sqldb.RegisterMetrics(s.db, s.telemetry.Metrics); err != nil {
		return err
	}
	if s.db.Certificate() != nil {
		if err := s.registerExpiry(s.db.Certificate, "database"); err != nil {
			return err
		}
	}
	s.cache, err = cache.New(cache.Config{Redis: c.Redis, Logger: s.telemetry.Logger}, s.telemetry.Metrics)
	if err != nil {
		return unusable(err)
	}
	s.closers.add(func(context.Context) error { return s.cache.Close() })
	if s.orders, err = orderredis.New(s.cache, s.telemetry.Metrics); err != nil {
		return err
	}
	if s.keys, err = s.openKeys(); err != nil {
		return err
	}
	measured, err := telemetry.NewRPCMetrics(s.telemetry.Metrics)
	if err != nil {
		return err
	}
	s.handlers = []connect.HandlerOption{
		connect.WithInterceptors(measured, rpc.Errors(s.telemetry.Logger), rpc.Authorize(s.methods), rpc.Consistency(s.clock)), connect.WithReadMaxBytes(maxBody),
		connect.WithCompressMinBytes(1 << 10),
	}
	return nil
}

// monitor starts asking for the instance's health, over database connections of its own.
func (s *stack) monitor(ctx context.Context) (*monitor.Monitor, error) {
	c := s.config
	c.Database.MaxConns = 3 // questions at a time
	db, err := sqldb.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	s.closers.addFunc(db.Close)
	store := healthsql.New(db, c.Region, c.Instance)
	m := monitor.New(monitor.Probes{
		Clock: s.clock, Ping: store.Ping, Beat: store.Beat, Read: store.Read, Behind: s.relay.behind,
		Load: func(now time.Time) float64 { return max(s.requests.Use(now), s.conns.Use(now)) },
	}, s.telemetry.Readiness)
	s.background = append(s.background, m.Run)
	return m, m.Register(s.telemetry.Metrics)
}

// serveOn binds the listeners, starts asking for health and registers in Consul.
func (s *stack) serveOn(ctx context.Context) error {
	c := s.config
	m, err := s.monitor(ctx)
	if err != nil {
		return err
	}
	s.mux.Handle("GET "+discovery.ReadyPath, m)
	if err := s.serve("GET /.well-known/jwks.json", s.keys.JWKS()); err != nil {
		return err
	}
	secure, err := s.stackTLS()
	if err != nil {
		return err
	}
	api, err := listenTo(c.Listen, s.handler(), secure, s.telemetry.Logger)
	if err := s.listen(c.Listen, api, err); err != nil {
		return err
	}
	admin, err := listen(c.AdminListen, s.telemetry.AdminHandler(m.Checks()...))
	if err := s.listen(c.AdminListen, admin, err); err != nil {
		return err
	}
	return s.register(ctx, discovery.Instance{
		Service: discovery.ServiceName, Target: strings.Join(c.Target, ","), Advertise: c.Advertise, Says: says(s.keys),
	})
}

// serve has a handler answer a pattern of the API. One that the method table does not have is an error, because edges
// would not know where and how to send its requests.
func (s *stack) serve(pattern string, h http.Handler) error {
	if !s.methods.Serves(pattern) {
		return fmt.Errorf("app: %s is in no row of the method table: its protobuf options name it, or nobody serves it", pattern)
	}
	s.mux.Handle(pattern, h)
	return nil
}

// handler wraps the modules: trace, time and region of the answer, error statuses, who calls.
func (s *stack) handler() http.Handler {
	h := rpc.Authenticate(s.keys, s.mux)
	h = http.MaxBytesHandler(rpc.Statuses(h), maxBody)
	h = monitor.Requests(s.requests, stamped(s.config.Region, h))
	return otelhttp.NewHandler(h, "meridian",
		otelhttp.WithTracerProvider(s.telemetry.Tracers), otelhttp.WithPropagators(s.telemetry.Propagator), otelhttp.WithMeterProvider(noMetrics),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != discovery.ReadyPath }),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.URL.Path }))
}

func modulesOf(target []string) []string {
	if slices.Contains(target, "all") {
		return moduleNames()
	}
	return target
}

// Package admission decides at the edge which requests are worth taking: by how many a user or an address may
// send (package quota), and by how much a region can do at the moment (limiter).
//
//	address ─▶ sign-in ─▶ user ─▶ checkout ─▶ room in the region? ─▶ next
//	   └───── 429 RATE_LIMITED ──────┘              └─ 503 OVERLOADED
//
// Its guarantees:
//   - A refusal waits for nothing but, for sign-in and checkout, the region's Redis for at most 50 ms. Nothing
//     is ever queued here, and a refused request did not reach a stack.
//   - Under overload the classes are refused in order: background, browse, cart, and checkout last.
//   - A request takes up room until its answer begins, and a stream for at most a second: a slow reader, and a
//     watch that lasts for hours, take up none.
//   - The loss of Redis refuses nobody.
package admission

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/admission/quota"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/regions"
)

// Config says what is admitted. A rate or a concurrency of 0 is no limit; the adaptive limit is at most the concurrency.
// The tags of its fields are configuration keys, below admission.
type Config struct {
	Region       regions.Name   `koanf:"-"` // the edge's
	Regions      []regions.Name `koanf:"-"` // those that requests go to
	Redis        redis.Config   `koanf:"-"` // the region's; without one every edge counts for itself
	UserRate     int            `koanf:"user_rate" default:"50" help:"edge: requests of one user in a second, twice as many at once; 0: no limit"`
	AddressRate  int            `koanf:"address_rate" default:"200" help:"edge: requests of one address in a second, twice as many at once; 0: no limit"`
	SignInRate   int            `koanf:"sign_in_rate" default:"30" help:"edge: sign-ins and sign-ups of one address in a minute; 0: no limit"`
	CheckoutRate int            `koanf:"checkout_rate" default:"60" help:"edge: orders of one user in a minute; 0: no limit"`
	Concurrency  int            `koanf:"concurrency" default:"1024" help:"edge: requests under way in one region, at most; fewer while it is slow; 0: no limit"`
}

// Deps are what admission works with. Metrics and Logger may be nil.
type Deps struct {
	Call    func(r *http.Request) method.Call // asked for every request, concurrently
	MaxBody int64                             // requests that say they have more bytes are refused by whoever comes next; 0: none is
	Metrics prometheus.Registerer
	Logger  *slog.Logger
}

// Gate admits requests. It is safe for concurrent use.
type Gate struct {
	cfg      Config
	call     func(r *http.Request) method.Call
	maxBody  int64
	buckets  *quota.Buckets
	policies policies
	regions  map[regions.Name]*regionLimiter
	metrics  *metrics
}

// New returns a gate. It connects to nothing yet. Errors are about the configuration, or a second registration.
func New(cfg Config, deps Deps) (*Gate, error) {
	if deps.Call == nil {
		return nil, fmt.Errorf("admission: it needs to know what a request is")
	}
	if cfg.Concurrency < 0 {
		return nil, fmt.Errorf("admission: concurrency %d is negative", cfg.Concurrency)
	}
	g := &Gate{cfg: cfg, call: deps.Call, maxBody: deps.MaxBody, regions: map[regions.Name]*regionLimiter{}}
	// The edge's own region has a limiter even where it is not listed, since it stands in for unknown ones.
	for _, n := range append([]regions.Name{cfg.Region}, cfg.Regions...) {
		if g.regions[n] == nil {
			g.regions[n] = newRegionLimiter(n, cfg.Concurrency)
		}
	}
	var err error
	if g.policies, err = newPolicies(cfg); err != nil {
		return nil, err
	}
	if g.buckets, err = quota.New(quota.Config{Redis: cfg.Redis, Logger: deps.Logger}, deps.Metrics); err != nil {
		return nil, err
	}
	if g.metrics, err = newMetrics(g, deps.Metrics); err != nil {
		return nil, err
	}
	return g, nil
}

// Run shares what was counted with the region's other edges until ctx ends.
func (g *Gate) Run(ctx context.Context) { g.buckets.Run(ctx) }

// Close ends the connections to Redis.
func (g *Gate) Close() error { return g.buckets.Close() }

// Handler admits requests to next, and answers the others.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		call := g.call(r)
		class := call.Method.Class
		// Quotas come before concurrency, so that a caller over its quota never takes a place.
		if g.limits(w, r, call, begun) {
			return
		}
		limiter := g.limiterFor(call.Region)
		if !limiter.full(class) {
			// A slow upload is read before a place is taken, so that slow callers do not fill the region.
			// Nor is one read that nobody will look at: it may never end.
			if !call.Stream && !call.Method.Unknown {
				prefetch(w, r, g.maxBody)
			}
			// The check is made again on entry, because others may have entered while the body was read.
			if limiter.enter(class) {
				g.metrics.admit(class)
				g.serve(w, r, next, &passage{limiter: limiter, call: call, arrived: begun, begun: time.Now()})
				return
			}
		}
		g.overload(w, r, class, begun)
	})
}

// Limited admits requests to next by what a caller may send alone, for what must be answered however full a region is.
func (g *Gate) Limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.limits(w, r, g.call(r), time.Now()) {
			next.ServeHTTP(w, r)
		}
	})
}

// limits answers a request whose caller has sent as many as it may, and reports whether it did.
func (g *Gate) limits(w http.ResponseWriter, r *http.Request, call method.Call, begun time.Time) (refused bool) {
	verdict := g.count(r.Context(), call)
	if verdict.Policy == nil {
		return false
	}
	g.policies.stamp(w.Header(), verdict)
	if verdict.Allowed {
		return false
	}
	g.limit(w, r, call.Method.Class, verdict.Policy.Name(), verdict.RetryAfter, begun)
	return true
}

// count takes a request out of the buckets that it falls under. It returns the verdict that leaves least: a
// refusal, or what is nearest to one. A request that is refused is not taken out of the buckets that follow.
func (g *Gate) count(ctx context.Context, c method.Call) (tightest quota.Verdict) {
	// By address first: it holds for every caller, signed in or not.
	if p := g.policies.address; p != nil && c.Address.IsValid() && !c.Proxy {
		if tightest = g.buckets.Take(p, quota.ByAddress(c.Address)); !tightest.Allowed {
			return tightest
		}
	}
	if p := g.policies.signIn; p != nil && c.Method.Throttle == method.SignIn && c.Address.IsValid() {
		if tightest = tighter(tightest, g.buckets.TakeRegional(ctx, p, quota.ByAddress(c.Address))); !tightest.Allowed {
			return tightest
		}
	}
	if c.User == "" {
		return tightest
	}
	if p := g.policies.user; p != nil {
		if tightest = tighter(tightest, g.buckets.Take(p, quota.ByUser(c.User))); !tightest.Allowed {
			return tightest
		}
	}
	if p := g.policies.checkout; p != nil && c.Method.Throttle == method.PlaceOrder {
		tightest = tighter(tightest, g.buckets.TakeRegional(ctx, p, quota.ByUser(c.User)))
	}
	return tightest
}

// tighter returns a refusal, or the verdict that leaves the fewer requests.
func tighter(a, b quota.Verdict) quota.Verdict {
	if a.Policy == nil || !b.Allowed || a.Allowed && b.Remaining < a.Remaining {
		return b
	}
	return a
}

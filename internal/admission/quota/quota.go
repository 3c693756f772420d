// Package quota counts requests against token buckets: so many at once, refilled evenly over a window.
//
//	Take ── local bucket ──(used a quarter or more)──▶ every 100 ms: one script charges the region's bucket
//	TakeRegional ── local bucket ──admitted──▶ one script asks the region's bucket, at most 50 ms
//
// Its guarantees:
//   - A local bucket is exact: over any time t it admits at most its quota plus t's refill.
//   - The region's Redis makes the edges of a region count together. While it is slow, hung or gone each edge
//     counts for itself, nobody is refused for it, and after a few failures nobody waits for it.
//   - Memory is bounded: buckets that were not used for longest are forgotten first.
package quota

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/redis"
)

// Policy is one limit. It never changes.
type Policy struct {
	name      string
	quota     int
	window    time.Duration
	interval  int64 // nanoseconds in which one request is refilled
	tolerance int64 // nanoseconds in which an empty bucket is full again
}

// NewPolicy returns a policy that admits quota requests at once and refills as many, evenly, in each window.
// The name goes into headers, metrics and Redis keys: lower case letters and underscores.
func NewPolicy(name string, quota int, window time.Duration) (*Policy, error) {
	if quota < 1 || window < time.Duration(quota) {
		return nil, fmt.Errorf("quota: policy %s: %d requests in %s is no limit", name, quota, window)
	}
	interval := int64(window) / int64(quota)
	return &Policy{name: name, quota: quota, window: window, interval: interval, tolerance: interval * int64(quota)}, nil
}

// Name returns the policy's name.
func (p *Policy) Name() string { return p.name }

// Header returns the policy as an item of the RateLimit-Policy header field (draft-ietf-httpapi-ratelimit-headers).
func (p *Policy) Header() string {
	return fmt.Sprintf("%q;q=%d;w=%d", p.name, p.quota, int64((p.window+time.Second-1)/time.Second))
}

// Key is whose bucket it is. One of the two is given.
type Key struct {
	User    string
	Address netip.Addr
}

// ByUser returns the key of a user.
func ByUser(id string) Key { return Key{User: id} }

// ByAddress returns the key of an address. IPv6 addresses share a bucket by /64.
func ByAddress(a netip.Addr) Key { return Key{Address: geo.Subscriber(a, 64).Addr()} }

func (k Key) String() string {
	if k.User != "" {
		return k.User
	}
	return k.Address.String()
}

// Verdict is what a bucket says of one request.
type Verdict struct {
	Policy     *Policy
	Allowed    bool
	Remaining  int           // requests that would be admitted now
	Reset      time.Duration // until the bucket is full, if left alone
	RetryAfter time.Duration // until one more request is admitted; 0 where allowed
}

// gcra is the generic cell rate algorithm on a bucket that is full at the time full. It returns the new time,
// which is the old one where the request is refused.
func (p *Policy) gcra(full, now, cost int64) (int64, bool) {
	next := max(full, now) + cost*p.interval
	if next-now > p.tolerance {
		return max(full, now), false
	}
	return next, true
}

func (p *Policy) verdict(full, now int64, allowed bool) Verdict {
	ahead := full - now
	v := Verdict{Policy: p, Allowed: allowed, Remaining: max(0, int((p.tolerance-ahead)/p.interval)), Reset: time.Duration(ahead)}
	if !allowed {
		v.RetryAfter = time.Duration(max(1, ahead+p.interval-p.tolerance))
	}
	return v
}

// Config says how many buckets there may be and where the region's are.
type Config struct {
	Capacity int           // local buckets; 0 is 65,536
	Redis    redis.Config  // without one each process counts for itself
	Timeout  time.Duration // of one question to Redis, the connection included; 0 is 50 ms
	Logger   *slog.Logger  // nil discards
}

// Buckets holds the buckets of every policy. It is safe for concurrent use.
type Buckets struct {
	local  *store
	region *region // nil: none
	epoch  time.Time
}

// New returns buckets that are all full. It does not connect: Redis being down is no error. Metrics go to
// registry, unless it is nil; the error is a second registration, a negative bound, or redis.ErrConfig.
func New(cfg Config, registry prometheus.Registerer) (*Buckets, error) {
	if cfg.Capacity < 0 || cfg.Timeout < 0 {
		return nil, errors.New("quota: a bound is negative")
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = 1 << 16
	}
	local, err := newStore(cfg.Capacity)
	if err != nil {
		return nil, err
	}
	b := &Buckets{local: local, epoch: time.Now()}
	if cfg.Redis.Address != "" {
		if b.region, err = newRegion(cfg, registry); err != nil {
			return nil, err
		}
	}
	if registry == nil {
		return b, nil
	}
	return b, b.register(registry)
}

// Close ends the connections to Redis. Buckets go on counting in this process.
func (b *Buckets) Close() error {
	if b.region == nil {
		return nil
	}
	return b.region.redis.Close() // its errors say what they are
}

// now is the time in nanoseconds since the buckets were made; the machine's clock may jump.
func (b *Buckets) now() int64 { return int64(time.Since(b.epoch)) }

func (b *Buckets) register(registry prometheus.Registerer) error {
	all := []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "meridian", Subsystem: "admission", Name: "buckets", Help: "Token buckets that this process remembers.",
	}, func() float64 { return float64(b.local.size()) })}
	if b.region != nil {
		all = append(all, b.region.questions)
	}
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("quota: register metrics: %w", err)
		}
	}
	return nil
}

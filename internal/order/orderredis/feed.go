// Package orderredis carries word of changed orders through the region's Redis. A message is an order's id and
// nothing else, so whatever Redis loses, repeats or makes up can delay a watcher or cost a read, and never shows a
// wrong order.
package orderredis

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
)

// channel is where the region's processes tell each other.
const channel = "orders:changed"

// Feed implements order.Feed. It is safe for concurrent use.
type Feed struct {
	redis     *cache.Cache
	following prometheus.Gauge
}

// New returns the feed of a region. The error is a second registration of its metric.
func New(c *cache.Cache, registry prometheus.Registerer) (*Feed, error) {
	f := &Feed{redis: c, following: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meridian_orders_feed_following",
		Help: "1 while changed orders reach this process through the region's Redis, 0 while it polls those that are watched.",
	})}
	if err := registry.Register(f.following); err != nil {
		return nil, fmt.Errorf("orderredis: register metrics: %w", err)
	}
	return f, nil
}

// Publish implements order.Feed. Where Redis is away it costs the cache's time-out at most and nobody is notified: the
// followers know that they lost Redis too, or find the change when they next look at all that is watched.
func (f *Feed) Publish(ctx context.Context, orderID string) {
	_ = f.redis.Publish(ctx, channel, orderID) // the cache counts it
}

// Follow implements order.Feed.
func (f *Feed) Follow(ctx context.Context, ready func(), changed func(orderID string)) error {
	defer f.following.Set(0)
	return f.redis.Follow(ctx, channel, func() { // its errors say what they are
		f.following.Set(1)
		ready()
	}, changed)
}

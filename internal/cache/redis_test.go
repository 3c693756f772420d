package cache

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// server is a real redis-server.
type server struct{ *redistest.Server }

func startRedis(t *testing.T) server {
	t.Helper()
	return server{redistest.Start(t)}
}

// cache returns a cache on the server that tolerates a busy machine.
func (s server) cache(t *testing.T) *Cache {
	t.Helper()
	return newCache(t, Config{Redis: redis.Config{Address: s.Address}, Timeout: time.Minute, LoadTimeout: time.Minute, Seed: 1})
}

// What package redis does: so many failures in a row open its breaker, which then lets one command through in a while.
const (
	breakerFailures = 5
	breakerCooldown = time.Second
)

func newCache(t *testing.T, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five minutes: %s", what)
		}
	}
}

// product is a versioned value.
type product struct {
	Handle  string
	Version uint64
}

func productCodec() Codec[product] { return JSON(func(p product) uint64 { return p.Version }) }

// fetchProduct fetches a product whose load gives version.
func fetchProduct(ctx context.Context, c *Cache, handle string, version uint64) (product, Status, error) {
	return Through(ctx, c, "product:"+handle, Life{Fresh: time.Minute}, productCodec(), func(context.Context) (product, error) {
		return product{handle, version}, nil
	})
}

func fetches(c *Cache, o Outcome) int { return value(c.metrics.fetches.WithLabelValues(string(o))) }

func failures(c *Cache, operation string) int {
	return value(c.metrics.errors.WithLabelValues(operation))
}

func value(counter prometheus.Counter) int {
	var m dto.Metric
	if err := counter.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue())
}

func key(i int) string { return "p" + strconv.Itoa(i) }

package catalogcache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// behind is a catalog.Store of one product that counts what it is asked.
type behind struct {
	catalog.Store
	mu      sync.Mutex
	product catalog.Product
	finds   int
	down    error
}

func (b *behind) Find(_ context.Context, handle string) (catalog.Product, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finds++
	switch {
	case b.down != nil:
		return catalog.Product{}, b.down
	case handle != b.product.Handle:
		return catalog.Product{}, catalog.ErrNotFound
	}
	return b.product, nil
}

func (b *behind) Put(_ context.Context, products []catalog.Product) (catalog.Stored, error) {
	if b.down != nil {
		return catalog.Stored{}, b.down
	}
	b.product = products[0]
	return catalog.Stored{Changed: 1}, nil
}

func (b *behind) Page(context.Context, string, string, int) ([]catalog.Product, error) {
	return []catalog.Product{b.product}, nil
}

func tea(version, minor int64) catalog.Product {
	return catalog.Product{
		Handle: "tea", Title: "Tea", Tags: []string{"green"}, Active: true, Version: version, UpdatedAt: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
		Variants: []catalog.Variant{{ID: "t", SKU: "t", Grams: 100, Prices: []money.Money{{Minor: minor, Currency: "EUR"}}}},
	}
}

// open returns a cached store, the store behind it, and what it said of the cache.
func open(t *testing.T, redisAddress string) (*catalogcache.Store, *behind, *[]cache.Outcome) {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: redisAddress}, Timeout: time.Minute, LoadTimeout: time.Minute, Seed: 1}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := &behind{product: tea(1, 750)}
	var outcomes []cache.Outcome
	return catalogcache.New(b, c, func(_ context.Context, s cache.Status) {
		b.mu.Lock()
		defer b.mu.Unlock()
		outcomes = append(outcomes, s.Outcome)
	}), b, &outcomes
}

func find(t *testing.T, s catalog.Store, want catalog.Product) {
	t.Helper()
	got, err := s.Find(t.Context(), "tea")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestFindAsksTheCacheFirst(t *testing.T) {
	t.Parallel()
	s, b, outcomes := open(t, redistest.Start(t).Address)
	find(t, s, tea(1, 750))
	b.product = tea(2, 800) // by another region, which tells nobody: seen once the entry's life ends
	find(t, s, tea(1, 750))
	if diff := cmp.Diff([]cache.Outcome{cache.Miss, cache.Hit}, *outcomes); diff != "" || b.finds != 1 {
		t.Errorf("the store was asked %d times\n%s", b.finds, diff)
	}
	b.down = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")
	find(t, s, tea(1, 750)) // what is cached outlives the database
}

func TestPutEndsWhatWasCached(t *testing.T) {
	t.Parallel()
	s, _, outcomes := open(t, redistest.Start(t).Address)
	find(t, s, tea(1, 750))
	if stored, err := s.Put(t.Context(), []catalog.Product{tea(2, 800)}); err != nil || stored.Changed != 1 {
		t.Fatalf("Put = %+v, %v", stored, err)
	}
	find(t, s, tea(2, 800))
	find(t, s, tea(2, 800))
	if diff := cmp.Diff([]cache.Outcome{cache.Miss, cache.Miss, cache.Hit}, *outcomes); diff != "" {
		t.Error(diff)
	}
}

func TestPutThatFailsEndsNothing(t *testing.T) {
	t.Parallel()
	s, b, outcomes := open(t, redistest.Start(t).Address)
	find(t, s, tea(1, 750))
	b.down = fault.New(fault.Exists, "SKU_TAKEN", "x")
	if _, err := s.Put(t.Context(), []catalog.Product{tea(2, 800)}); !errors.Is(err, b.down) {
		t.Errorf("got %v", err)
	}
	find(t, s, tea(1, 750))
	if diff := cmp.Diff([]cache.Outcome{cache.Miss, cache.Hit}, *outcomes); diff != "" {
		t.Error(diff)
	}
}

// A region without Redis, and one whose Redis is gone, sell as before.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"none": "", "gone": "127.201.7.2:1"} {
		s, b, outcomes := open(t, address)
		find(t, s, tea(1, 750))
		if _, err := s.Put(t.Context(), []catalog.Product{tea(2, 800)}); err != nil {
			t.Errorf("%s: Put: %v", name, err)
		}
		find(t, s, tea(2, 800))
		if diff := cmp.Diff([]cache.Outcome{cache.Bypass, cache.Bypass}, *outcomes); diff != "" || b.finds != 2 {
			t.Errorf("%s: the store was asked %d times\n%s", name, b.finds, diff)
		}
	}
}

func TestFailuresAreNotCached(t *testing.T) {
	t.Parallel()
	s, b, outcomes := open(t, redistest.Start(t).Address)
	if _, err := s.Find(t.Context(), "pot"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("an unknown handle: %v", err)
	}
	b.down = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")
	if _, err := s.Find(t.Context(), "tea"); !errors.Is(err, b.down) {
		t.Errorf("got %v", err)
	}
	if len(*outcomes) != 0 {
		t.Errorf("heard of %v", *outcomes)
	}
	b.down = nil
	find(t, s, tea(1, 750))
	if page, err := s.Page(t.Context(), "", "", 1); err != nil || len(page) != 1 {
		t.Errorf("Page = %v, %v", page, err)
	}
}

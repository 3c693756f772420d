package promotioncache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotioncache"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// behind is a store of promotions.
type behind struct {
	mu    sync.Mutex
	all   []promotion.Promotion
	at    time.Time
	reads int
	down  error
}

func (b *behind) Candidates(context.Context, []string) ([]promotion.Promotion, time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	return b.all, b.at, b.down
}

func (b *behind) Coded(_ context.Context, code string) (promotion.Promotion, time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.all {
		if p.Code == code {
			return p, b.at, b.down
		}
	}
	return promotion.Promotion{}, b.at, promotion.UnknownCode(code)
}

func open(t *testing.T, redisAddress string) (*promotioncache.Promotions, *behind) {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: redisAddress}, Timeout: time.Minute, LoadTimeout: time.Minute, Seed: 1}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := &behind{at: noon, all: []promotion.Promotion{
		{ID: "half", BasisPoints: 5000, Enabled: true, From: noon},
		{ID: "coded", Code: "CODE", Amounts: []money.Money{{Minor: 100, Currency: "EUR"}}, Enabled: true},
		{ID: "over", Code: "OVER", BasisPoints: 1, Until: noon, Enabled: true},
		{ID: "later", BasisPoints: 1, From: noon.Add(1), Enabled: true},
	}}
	return promotioncache.New(b, c), b
}

// total is what goods of 10.00 cost by rules.
func total(t *testing.T, p *promotioncache.Promotions, codes ...string) int64 {
	t.Helper()
	rules, err := p.Rules(t.Context(), codes)
	if err != nil {
		t.Fatal(err)
	}
	q, err := rules.Quote(checkout.Cart{Currency: "EUR", Items: map[string]checkout.Item{"A": {Quantity: 1}}},
		map[string]checkout.Offer{"A": {Price: money.Money{Minor: 1000, Currency: "EUR"}}})
	if err != nil {
		t.Fatal(err)
	}
	return q.Total.Minor
}

// Carts with the same codes share what was read, and it says the same out of the cache.
func TestRules(t *testing.T) {
	t.Parallel()
	p, b := open(t, redistest.Start(t).Address)
	for range 2 {
		if with, without := total(t, p, "CODE"), total(t, p); with != 450 || without != 500 {
			t.Errorf("with the code %d, without %d", with, without)
		}
	}
	if b.reads != 2 {
		t.Errorf("the store was read %d times, for two sets of codes", b.reads)
	}
	b.down = errors.New("down")
	if got := total(t, p); got != 500 {
		t.Errorf("with the store away %d", got)
	}
	if _, err := p.Rules(t.Context(), []string{"ZZZ"}); !errors.Is(err, b.down) {
		t.Errorf("codes that were not asked for before: %v", err)
	}
}

func TestRulesWithoutRedis(t *testing.T) {
	t.Parallel()
	p, b := open(t, "")
	total(t, p)
	b.all = nil
	if got := total(t, p); got != 1000 {
		t.Errorf("what the store says now is %d", got)
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	p, b := open(t, "")
	for given, want := range map[string]string{" code ": "", "OVER": "PROMOTION_CODE_EXPIRED", "NONE": "PROMOTION_CODE_UNKNOWN", "": "PROMOTION_CODE_UNKNOWN", "a b": "PROMOTION_CODE_UNKNOWN"} {
		code, err := p.Admit(t.Context(), given)
		if fault.Reason(err) != want || (err != nil) != (want != "") || (err == nil && code != "CODE") {
			t.Errorf("%q is %q, %v; want %s", given, code, err, want)
		}
	}
	b.down = errors.New("down")
	if _, err := p.Admit(t.Context(), "CODE"); !errors.Is(err, b.down) {
		t.Errorf("with the store away: %v", err)
	}
}

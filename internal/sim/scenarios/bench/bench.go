// Package bench measures what a request costs: the processor time that the edge, the stack and Redis spend on it,
// what it writes to the database, and how many bytes answer it; and what an order and a cache entry leave behind.
// It runs a simulation of one region with one edge and one stack, as real processes, asks for one kind of request
// at a time, a known number of times, and reads the counters of the kernel, of PostgreSQL and of Redis before
// and after. A mixed load at the end shows how far the sum of these costs is from what such a load takes.
//
// The result is a capacity.Profile, which `meridian plan` reads.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/clock"
)

// Config says how much to measure.
type Config struct {
	Seed     uint64
	People   int           // accounts
	Requests int           // of each kind that reads; a tenth as many of the kinds that write
	Workers  int           // that ask at the same time
	Idle     time.Duration // of watching an idle system
	Rate     float64       // arrivals a second of the mixed load
	Mixed    time.Duration // of it
}

func (c Config) validate() error {
	if c.People < 2*c.Workers || c.Requests < 10 || c.Workers < 1 || c.Idle <= 0 {
		return fmt.Errorf("bench: %d accounts, %d requests by %d workers, idle for %v make no measurement", c.People, c.Requests, c.Workers, c.Idle)
	}
	return nil
}

// count returns how many requests of a kind are made.
func (c Config) count(kind capacity.Request) int {
	switch kind {
	case capacity.SignUp:
		return c.People
	case capacity.SignIn:
		return max(10, c.People/2)
	case capacity.SetItem, capacity.PlaceOrder:
		return max(10, c.Requests/4)
	case capacity.WatchOrder:
		return max(10, c.Requests/10)
	default:
		return c.Requests
	}
}

// system is what is measured.
type system interface {
	// usage reads every counter: what has been used since the start.
	usage(ctx context.Context) (capacity.Cost, error)
	// flush returns when all that was done so far is in the database's counters.
	flush(ctx context.Context) error
}

// measurement is one under way.
type measurement struct {
	cfg    Config
	system system
	ask    func(ctx context.Context, kind capacity.Request, n int, rng *rand.Rand) error
	settle func(ctx context.Context) error // returns when nothing is under way any more
	say    func(format string, args ...any)

	idle capacity.Cost // of a second
}

// watchIdle measures what the processes use by themselves.
func (m *measurement) watchIdle(ctx context.Context) error {
	if err := m.system.flush(ctx); err != nil {
		return err
	}
	used, took, err := m.around(ctx, func(ctx context.Context) error { return clock.Sleep(ctx, m.cfg.Idle) })
	if err != nil {
		return err
	}
	m.idle = plus(capacity.Cost{}, used, 1/took.Seconds())
	m.say("idle: edge %.1f ms/s, stack %.1f ms/s, %.1f transactions/s", m.idle.EdgeMicros/1000, m.idle.StackMicros/1000, m.idle.Transactions)
	return nil
}

// around returns what was used while do ran, and how long that took.
func (m *measurement) around(ctx context.Context, do func(context.Context) error) (capacity.Cost, time.Duration, error) {
	began := time.Now()
	before, err := m.system.usage(ctx)
	if err != nil {
		return before, 0, err
	}
	if err := do(ctx); err != nil {
		return before, 0, err
	}
	took := time.Since(began)
	after, err := m.system.usage(ctx)
	return plus(after, before, -1), took, err
}

// measure asks for one kind of request and returns what one costs beyond an idle system. All that was done before it
// is in the counters. others are what each request asks for besides, and known is what that costs.
func (m *measurement) measure(ctx context.Context, kind capacity.Request, others map[capacity.Request]float64, known map[capacity.Request]capacity.Cost) (capacity.Cost, error) {
	n := m.cfg.count(kind)
	begun := time.Now()
	var asked time.Duration
	used, took, err := m.around(ctx, func(ctx context.Context) error {
		if err := m.requests(ctx, kind, n); err != nil {
			return err
		}
		asked = time.Since(begun)
		return errors.Join(m.settle(ctx), m.system.flush(ctx))
	})
	if err != nil {
		return used, err
	}
	c := plus(capacity.Cost{Measured: n}, plus(used, m.idle, -took.Seconds()), 1/float64(n))
	for other, times := range others {
		c = plus(c, known[other], -times)
	}
	for _, figure := range figures(&c) {
		*figure = hundredth(max(0, *figure))
	}
	if c.EdgeMicros == 0 || c.StackMicros == 0 {
		return c, fmt.Errorf("bench: %s costs nothing beyond an idle system: too few requests for the kernel's clock", kind)
	}
	m.say("%-16s %6d in %4.1f s: edge %7.0f µs, stack %7.0f µs, Redis %4.0f µs, %5.2f transactions (%5.2f write), %5.2f rows written, %6.0f bytes",
		kind, n, asked.Seconds(), c.EdgeMicros, c.StackMicros, c.RedisMicros, c.Transactions, c.Writing, c.RowsWritten, c.Bytes)
	return c, nil
}

// requests makes n requests by all workers. Each worker has people of its own: worker w asks as the n-th person
// only where n is w modulo the workers.
func (m *measurement) requests(ctx context.Context, kind capacity.Request, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for w := range m.cfg.Workers {
		rng := rand.New(rand.NewPCG(m.cfg.Seed, uint64(w)))
		group.Go(func() error {
			for i := w; i < n && ctx.Err() == nil; i += m.cfg.Workers {
				if err := m.ask(ctx, kind, i, rng); err != nil {
					return fmt.Errorf("bench: %s: %w", kind, err)
				}
			}
			return context.Cause(ctx)
		})
	}
	return group.Wait()
}

// figures are the parts of a cost.
func figures(c *capacity.Cost) []*float64 {
	return []*float64{&c.EdgeMicros, &c.StackMicros, &c.RedisMicros, &c.Transactions, &c.Writing, &c.RowsWritten, &c.Bytes}
}

// plus adds another cost to one, so many times.
func plus(c, other capacity.Cost, times float64) capacity.Cost {
	others := figures(&other)
	for i, figure := range figures(&c) {
		*figure += times * *others[i]
	}
	return c
}

// Figures are rounded to what the clocks and the counts can tell.
func tenth(x float64) float64     { return math.Round(x*10) / 10 }
func hundredth(x float64) float64 { return math.Round(x*100) / 100 }

// Package overload asks a region of a known capacity for ten times as much as it can do, and measures what
// becomes of what matters: how much is still served, whether orders succeed while browsing is refused, how fast a
// refusal is, and how soon all is well again.
//
// The simulation has one region, so that nothing can be served elsewhere, and a brake before each of its stacks,
// so that what gives out is the stacks' capacity rather than this machine's. Load is open loop: requests set off
// when they should, whether or not the region keeps up.
package overload

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/overload/brake"
)

// Config says how much to ask for.
type Config struct {
	Seed     uint64
	Brake    brake.Config // of each stack
	Stacks   int
	Times    float64 // the capacity
	Duration time.Duration
	Commit   string
	Command  string
}

// The load: shares of what the region can do, and how long.
const (
	measuring     = 6 * time.Second // of the capacity
	crowd         = 2               // callers for each request that is served at a time, while the capacity is measured
	orderShare    = 0.1             // of the capacity: orders, whatever else is asked for
	calmShare     = 0.4             // of the capacity: the load after the overload
	calmFor       = 12 * time.Second
	warmUpFor     = 3 * time.Second
	recoveredOnce = 2 * time.Second // all is well for so long
)

func (c Config) slots() int { return c.Stacks * c.Brake.Concurrency }

func (c Config) validate() error {
	if c.Times <= 1 || c.Duration < 5*time.Second {
		return fmt.Errorf("overload: it takes more than the capacity, for at least 5 s; not %v times for %v", c.Times, c.Duration)
	}
	return nil
}

// run measures a shop.
func run(ctx context.Context, cfg Config, s *shop, out io.Writer) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	if err := s.setUp(ctx, int(orderShare*float64(cfg.slots())/cfg.Brake.Service.Seconds())*2+4); err != nil {
		return Report{}, err
	}
	capacity, err := measureCapacity(ctx, cfg, s)
	if err != nil {
		return Report{}, err
	}
	say(out, "capacity: %.1f requests/s, by the brakes at most %.1f", capacity, float64(cfg.Stacks)*cfg.Brake.Capacity())
	say(out, "warm-up, then %.0f requests/s for %v", cfg.Times*capacity, cfg.Duration)
	s.play(ctx, cfg.Seed, warmUpFor, capacity*calmShare, capacity*orderShare)
	began := time.Now()
	heavy := s.play(ctx, cfg.Seed+1, cfg.Duration, capacity*(cfg.Times-orderShare), capacity*orderShare)
	ended := began.Add(cfg.Duration)
	say(out, "%.0f requests/s for %v", capacity*(calmShare+orderShare), calmFor)
	calm := s.playFrom(ctx, cfg.Seed+2, ended, calmFor, capacity*calmShare, capacity*orderShare)
	if err := context.Cause(ctx); err != nil {
		return Report{}, err
	}
	return build(cfg, capacity, phase{began, ended, heavy()}, phase{ended, ended.Add(calmFor), calm()}), nil
}

// measureCapacity returns how many reads a second the region serves when there are always some waiting, but not
// more than it lets in.
func measureCapacity(ctx context.Context, cfg Config, s *shop) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, measuring)
	defer cancel()
	served := make(chan int)
	workers := crowd * cfg.slots()
	for range workers {
		go func() {
			n := 0
			for ctx.Err() == nil {
				if a := s.browse(ctx); a.status == 200 {
					n++
				}
			}
			served <- n
		}()
	}
	total := 0
	for range workers {
		total += <-served
	}
	if total == 0 {
		return 0, fmt.Errorf("overload: nothing was served within %v", measuring)
	}
	return float64(total) / measuring.Seconds(), nil
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

package load

import (
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Poisson draws the times of arrivals, since the beginning, of a Poisson process of so many a second over a length.
func Poisson(rng *rand.Rand, perSecond float64, length time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for at := time.Duration(0); ; {
			at += time.Duration(rng.ExpFloat64() / perSecond * float64(time.Second))
			if at >= length || !yield(at) {
				return
			}
		}
	}
}

// Player plays an arrival process: everybody sets off at their time, whether or not those before were served. Its zero
// value bounds nothing. Fields of what happened are for after Play.
type Player struct {
	Most   int             // arrivals that are served at once; one that finds no room is dropped; 0: no bound
	Ending <-chan struct{} // closed to let nobody else arrive; nil: never

	Arrived int           // with those that were dropped
	Dropped int           // because the generator was too slow: its figures cannot be trusted
	Delay   time.Duration // how much later than intended somebody set off at worst

	serving errgroup.Group
}

// Play lets everybody set off. It returns early with the context's error; Wait is for the last of them.
func (p *Player) Play(ctx context.Context, start time.Time, times iter.Seq[time.Duration], serve func(n int, intended time.Time)) error {
	p.serving.SetLimit(cmp.Or(p.Most, -1))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := range times {
		intended := start.Add(at)
		timer.Reset(time.Until(intended))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Ending:
			return nil
		case <-timer.C:
		}
		n := p.Arrived
		p.Arrived++
		late := time.Since(intended)
		if p.serving.TryGo(func() error { serve(n, intended); return nil }) {
			p.Delay = max(p.Delay, late)
		} else {
			p.Dropped++
		}
	}
	return nil
}

// Wait returns when everybody who set off has been served.
func (p *Player) Wait() { _ = p.serving.Wait() } // serving does not fail

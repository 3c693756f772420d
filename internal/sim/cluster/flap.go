package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Bounds of a flap: a part needs some time to start, and a forgotten flap ends.
const (
	MinFlap = 200 * time.Millisecond
	MaxFlap = 10 * time.Minute
)

// flap kills and starts one part over and over, until stop is called or its time is over.
type flap struct {
	stop context.CancelFunc
	done chan struct{}
}

func (f *flap) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// startFlap begins to flap a part, in place of a flap that it had. c.faults is held.
func (c *Cluster) startFlap(f Fault) (FaultReport, error) {
	report := FaultReport{Target: f.Target}
	parts, whole, err := c.resolve(f.Target)
	switch {
	case err != nil:
		return report, err
	case whole:
		return report, fmt.Errorf("%w: a part flaps, such as %s, not a region", ErrBadFault, parts[0].name)
	case len(c.running(parts)) == 0:
		return report, fmt.Errorf("%w: %s", ErrNotRunning, f.Target)
	}
	c.endFlaps(parts)
	ctx, stop := context.WithTimeout(context.Background(), cmp.Or(f.For, MaxFlap))
	fl := &flap{stop: stop, done: make(chan struct{})}
	p := parts[0]
	p.flap.Store(fl)
	report.At = time.Now()
	report.Processes = []string{f.Target}
	go func() {
		defer close(fl.done)
		defer stop()
		c.flapPart(ctx, p, f.Every)
	}()
	return report, nil
}

// flapPart leaves the part running, however it ends.
func (c *Cluster) flapPart(ctx context.Context, p *part, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		c.kill(p, c.supervisor.Lookup(p.name))
		if _, err := c.launch(p); err != nil {
			c.say("%s does not flap any more: %v", p.name, err)
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// endFlaps ends the flaps of some parts, which run then. c.faults is held.
func (c *Cluster) endFlaps(parts []*part) {
	for _, p := range parts {
		if fl := p.flap.Swap(nil); fl != nil {
			fl.stop()
			<-fl.done
		}
	}
}

// flapping lists the parts that flap now.
func (c *Cluster) flapping() []string {
	var names []string
	for _, p := range c.parts {
		if fl := p.flap.Load(); fl != nil && !fl.over() {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return names
}

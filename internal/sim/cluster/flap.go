package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds of a flap: a part needs some time to start, and a forgotten flap ends.
const (
	MinFlap = 200 * time.Millisecond
	MaxFlap = 10 * time.Minute
)

// flaps are the flaps of a simulation, by part. It is safe for concurrent use.
type flaps struct {
	mu  sync.Mutex
	now map[string]*flap
}

// flap kills and starts one part over and over, until stop is called or its time is over.
type flap struct {
	stop context.CancelFunc
	done chan struct{}
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
	last := f.For
	if last == 0 {
		last = MaxFlap
	}
	ctx, stop := context.WithTimeout(context.Background(), last)
	fl := &flap{stop: stop, done: make(chan struct{})}
	c.flaps.mu.Lock()
	c.flaps.now[f.Target] = fl
	c.flaps.mu.Unlock()
	report.At = time.Now()
	report.Processes = []string{f.Target}
	go func() {
		defer close(fl.done)
		defer stop()
		c.flapPart(ctx, parts[0], f.Every)
	}()
	return report, nil
}

// flapPart leaves the part running, however it ends.
func (c *Cluster) flapPart(ctx context.Context, p *part, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if process, ok := c.supervisor.Lookup(p.name); ok {
			c.kill(p, process)
		}
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

// endFlaps ends the flaps of some parts and returns those, which run then. c.faults is held.
func (c *Cluster) endFlaps(parts []*part) map[*part]bool {
	ended := map[*part]bool{}
	for _, p := range parts {
		c.flaps.mu.Lock()
		fl := c.flaps.now[p.name]
		delete(c.flaps.now, p.name)
		c.flaps.mu.Unlock()
		if fl != nil {
			fl.stop()
			<-fl.done
			ended[p] = true
		}
	}
	return ended
}

// flapping lists the parts that flap now.
func (c *Cluster) flapping() []string {
	c.flaps.mu.Lock()
	defer c.flaps.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.flaps.now)) {
		select {
		case <-c.flaps.now[name].done:
		default:
			names = append(names, name)
		}
	}
	return names
}

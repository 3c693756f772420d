package internet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// ErrDeclined says that an edge answered its health check, and that it wants no more callers.
var ErrDeclined = errors.New("internet: the edge declines")

// ReadyPath is where an edge says whether callers may be sent to it.
const ReadyPath = "/.well-known/meridian/ready"

// inARow is how many checks that disagree with an announcement change it.
const inARow = 2

// Run checks every edge until the context ends.
func (n *Internet) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, e := range n.edges {
		running.Go(func() { n.watch(ctx, e) })
	}
	running.Wait()
}

func (n *Internet) watch(ctx context.Context, e *edge) {
	tick := time.NewTicker(n.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		checking, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
		err := n.cfg.Probe(checking, e.Edge)
		cancel()
		if ctx.Err() != nil {
			return
		}
		n.observe(e, err, time.Now())
	}
}

// observe takes one check's result. The withdrawal of an edge that does not answer resets the connections that it held,
// where the network moves its callers at once; elsewhere they are left to find out;
// one that declines keeps them until it closes them, as a load balancer leaves a target that is taken out in order, and
// gets new callers only when no edge is announced.
func (n *Internet) observe(e *edge, failure error, at time.Time) {
	healthy := failure == nil
	n.mu.Lock()
	if e.streak++; healthy == e.up {
		e.streak = 0
	}
	turned := e.streak == inARow
	if turned || healthy == e.up {
		e.keeps = errors.Is(failure, ErrDeclined)
	}
	var lost []*conn
	if turned {
		e.up = healthy
		e.streak = 0
		n.changes = append(n.changes, Change{At: at, Region: e.Region, Up: healthy})
		if !healthy && !e.keeps && n.cfg.Shift+n.cfg.TTL == 0 {
			lost = slices.Collect(maps.Keys(e.conns))
		}
	}
	n.mu.Unlock()
	for _, c := range lost {
		c.reset()
	}
}

// probe checks over a fresh connection each time, as the health checkers of clouds do.
func probe(timeout time.Duration) func(context.Context, Edge) error {
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context, e Edge) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Addr+ReadyPath, nil)
		if err != nil {
			return fmt.Errorf("internet: probe: %w", err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("internet: probe: %w", err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%w: %s answers %d", ErrDeclined, e.Region, resp.StatusCode)
		}
		return nil
	}
}

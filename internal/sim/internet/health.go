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

// observe takes one check's result. The check that completes a run of Fall or Rise changes the
// announcement. The withdrawal of an edge that does not answer resets the connections that it held; one that
// declines keeps them until it closes them, as a load balancer leaves a target that is taken out in order, and
// gets new callers only when no edge is announced.
func (n *Internet) observe(e *edge, failure error, at time.Time) {
	healthy := failure == nil
	n.mu.Lock()
	if healthy == e.up {
		e.streak = 0
		e.keeps = errors.Is(failure, ErrDeclined)
		n.mu.Unlock()
		return
	}
	e.streak++
	need := n.cfg.Rise
	if e.up {
		need = n.cfg.Fall
	}
	if e.streak < need {
		n.mu.Unlock()
		return
	}
	e.up = healthy
	e.keeps = errors.Is(failure, ErrDeclined)
	e.streak = 0
	n.changes = append(n.changes, Change{At: at, Region: e.Region, Up: healthy})
	var lost []*conn
	if !healthy && !e.keeps {
		lost = slices.Collect(maps.Keys(e.conns))
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

// Package views counts how often products are looked at, by which they are listed as popular. Counting costs a request nothing but an addition: each
// process gathers its counts in the region's Redis twice a second, and every few seconds one of the region's
// processes writes what was gathered to the database. What a crash can lose is bounded:
//   - of a process: what it counted since its last Gather (0.5 s), or since its last Flush (5 s) while Redis is
//     away, for then each process writes its own counts to the database;
//   - of Redis: what was gathered since the last Flush; while the database is away, counts wait in Redis.
//
// Nothing is counted twice, save one Gather of each process when Redis goes away without its answer.
package views

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/regions"
)

// How often counts move on.
const (
	Gather = 500 * time.Millisecond // from a process to the region's Redis
	Flush  = 5 * time.Second        // from there to the database
)

const stepLimit = 3 * time.Second // of moving counts on once

// Ledger keeps the counts. It is safe for concurrent use; errors are *fault.Error.
type Ledger interface {
	// AddViews adds to a region's counts. Repeating the last batch has no effect.
	AddViews(ctx context.Context, region regions.Name, batch string, views map[string]int64) error
}

// Counter counts how often one process's callers view products. It is safe for concurrent use.
type Counter struct {
	region   regions.Name
	gathered *cache.Counts
	ledger   Ledger
	log      *slog.Logger
	written  prometheus.Counter

	mu    sync.Mutex
	noted map[string]int64 // by handle, of products that exist: the catalog bounds it

	// Of Run alone.
	sending cache.Batch // what Redis has not confirmed
	since   time.Time   // when sending was first sent
}

// New returns a Counter, which moves nothing on until Run. The error is a second registration of its metrics.
func New(region regions.Name, c *cache.Cache, l Ledger, log *slog.Logger, reg prometheus.Registerer) (*Counter, error) {
	n := &Counter{
		region: region, gathered: c.Counts("views"), ledger: l, log: log, noted: map[string]int64{},
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "meridian_catalog_views_written_total", Help: "Views of products that this process wrote to the database.",
		}),
	}
	if err := reg.Register(n.written); err != nil {
		return nil, fmt.Errorf("views: register metrics: %w", err)
	}
	return n, nil
}

// Note counts one view of a product.
func (n *Counter) Note(handle string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noted[handle]++
}

// Run moves counts on until ctx ends, and then those that are left.
func (n *Counter) Run(ctx context.Context) {
	tick := time.NewTicker(Gather)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.step(ctx)
		case <-ctx.Done():
			n.end(context.WithoutCancel(ctx))
			return
		}
	}
}

func (n *Counter) step(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	if err := n.gather(ctx, Flush); err != nil {
		n.log.DebugContext(ctx, "views not gathered; trying again", "error", err)
	}
	if err := n.flush(ctx); err != nil {
		n.log.DebugContext(ctx, "views not flushed; trying again", "error", err)
	}
}

// end moves on what Redis has not confirmed, and then what was noted since. What is in Redis is flushed by
// another process of the region, or by this one when it is back.
func (n *Counter) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	for range 2 {
		if err := n.gather(ctx, 0); err != nil {
			n.log.WarnContext(ctx, "some views were not counted", "error", err)
			return
		}
	}
}

// gather moves what was noted to Redis, or to the database where Redis has not answered for patience.
func (n *Counter) gather(ctx context.Context, patience time.Duration) error {
	if len(n.sending.Counts) == 0 && !n.take() {
		return nil
	}
	err := n.gathered.Add(ctx, n.sending)
	if err != nil && time.Since(n.since) >= patience {
		err = n.write(ctx, n.sending)
	}
	if err == nil {
		n.sending = cache.Batch{}
	}
	return err
}

// take makes what was noted the batch to send, and reports whether there is any.
func (n *Counter) take() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.noted) == 0 {
		return false
	}
	n.sending = cache.Batch{ID: rand.Text(), Counts: n.noted}
	n.since = time.Now()
	n.noted = map[string]int64{}
	return true
}

// flush moves what the region gathered to the database, if it is this process's turn.
func (n *Counter) flush(ctx context.Context) error {
	batch, err := n.gathered.Take(ctx, rand.Text(), Flush)
	if err != nil || len(batch.Counts) == 0 {
		return err
	}
	if err := n.write(ctx, batch); err != nil {
		return err
	}
	return n.gathered.Done(ctx, batch.ID)
}

func (n *Counter) write(ctx context.Context, b cache.Batch) error {
	if err := n.ledger.AddViews(ctx, n.region, b.ID, b.Counts); err != nil {
		return err
	}
	sum := int64(0)
	for count := range maps.Values(b.Counts) {
		sum += count
	}
	n.written.Add(float64(sum))
	return nil
}

// Store is a catalog.Store that counts each view of an active product.
type Store struct {
	catalog.Store
	counter *Counter
}

// Counted returns a Store in front of another.
func Counted(behind catalog.Store, n *Counter) *Store { return &Store{behind, n} }

// Find implements catalog.Store.
func (s *Store) Find(ctx context.Context, handle string) (catalog.Product, error) {
	p, err := s.Store.Find(ctx, handle)
	if err == nil && p.Active {
		s.counter.Note(p.Handle)
	}
	return p, err
}

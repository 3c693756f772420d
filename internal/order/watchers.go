package order

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/regions"
)

// Feed carries word of changed orders between the processes of a region. It may be away, late, or lose any of what
// it carries: that delays a watcher and no more, because what an order has become is always read from the Store. It
// is safe for concurrent use.
type Feed interface {
	// Publish tells those who follow that an order has changed. It is called after the change is committed.
	Publish(ctx context.Context, orderID string)
	// Follow calls changed with the id of each order that is published from now on, anywhere in the region, and
	// ready once before the first. It returns when ctx ends, or with an error when the feed is lost.
	Follow(ctx context.Context, ready func(), changed func(orderID string)) error
}

const (
	pollEvery  = 200 * time.Millisecond // while the feed is away: every change is found by asking
	sweepEvery = 2 * time.Second        // while it is there: finds what it lost, and changes made in another region
	readBatch  = 10_000                 // orders of one statement
	readLimit  = 5 * time.Second        // of one statement, the wait for a connection included
)

// Watchers tells the watchers of one process of changes to their orders. The database is asked once for all of
// them: about an order when the feed names it, and about every watched order at a slow pace, so that 10,000 watchers
// cost what changes cost. It is safe for concurrent use.
//
//	change ─▶ Feed ─▶ named ─┐
//	every 2 s, or 200 ms ────┴▶ Store.Newer, one statement a home region ─▶ a mailbox for each watcher
type Watchers struct {
	feed  Feed
	log   *slog.Logger
	homes map[regions.Name]*homeWatch

	following atomic.Bool // the feed is there
}

// NewWatchers returns Watchers, which notify nobody until Run.
func NewWatchers(s Store, f Feed, c *regions.Set, log *slog.Logger) *Watchers {
	w := &Watchers{feed: f, log: log, homes: map[regions.Name]*homeWatch{}}
	for _, r := range c.All() {
		w.homes[r.Name] = &homeWatch{
			home: r.Name, store: s, watched: map[string]*watchedOrder{}, named: map[string]bool{},
			wake: make(chan struct{}, 1), refresh: make(chan struct{}, 1),
		}
	}
	return w
}

// Run follows the feed and reads changed orders until ctx ends.
func (w *Watchers) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	// The feed only shortens the wait: without it the goroutines below still poll.
	running.Go(func() { w.follow(ctx) })
	// A goroutine for each home, so that a region that does not answer delays the watchers of no other.
	for _, h := range w.homes {
		running.Go(func() { h.run(ctx, w.pause) })
	}
}

// follow keeps following the feed.
func (w *Watchers) follow(ctx context.Context) {
	known := true // that the feed is away: a region may have none, which is nothing to warn of
	for ctx.Err() == nil {
		err := w.feed.Follow(ctx, func() { w.turn(true) }, w.changed)
		if w.following.Load() {
			w.turn(false)
			known = false
		}
		if !known && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the feed of changed orders is lost; watched orders are polled until it is back", "error", err)
			known = true
		}
		if clock.Sleep(ctx, pollEvery) != nil {
			return
		}
	}
}

// turn notes that the feed has come or gone. What happened in between was published to nobody, so everything is
// read anew, and from then on at the pace that fits.
func (w *Watchers) turn(following bool) {
	w.following.Store(following)
	for _, h := range w.homes {
		signal(h.refresh)
	}
}

func (w *Watchers) changed(orderID string) {
	// The id comes from outside of the process, and is nothing but a question whether somebody watches it.
	for _, h := range w.homes {
		h.name(orderID)
	}
}

// pause is how long all watched orders go unread.
func (w *Watchers) pause() time.Duration {
	if w.following.Load() {
		return sweepEvery
	}
	return pollEvery
}

// homeWatch is the watched orders of one home region.
type homeWatch struct {
	home    regions.Name
	store   Store
	wake    chan struct{} // holds one while orders are named
	refresh chan struct{} // holds one when all are to be read

	mu      sync.Mutex
	watched map[string]*watchedOrder
	named   map[string]bool // those that the feed says have changed
}

// watchedOrder is one order and who watches it.
type watchedOrder struct {
	version   int64 // the newest that is known to its watchers
	mailboxes map[chan Order]bool
}

// run reads changed orders until ctx ends.
func (h *homeWatch) run(ctx context.Context, pause func() time.Duration) {
	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
			err = h.read(ctx, h.takeNamed())
		case <-h.refresh:
			err = h.readAll(ctx)
			timer.Reset(pause())
		case <-timer.C:
			err = h.readAll(ctx)
			timer.Reset(pause())
		}
		if err == nil {
			continue
		}
		// Which changes were missed is not known any more, so all are read once the database had a moment.
		if clock.Sleep(ctx, pollEvery) != nil {
			return
		}
		signal(h.refresh)
	}
}

// name notes that an order is said to have changed.
func (h *homeWatch) name(orderID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Most changes are of orders that nobody watches here; they cost a look into a map and no statement.
	if h.watched[orderID] == nil {
		return
	}
	h.named[orderID] = true
	signal(h.wake)
}

// takeNamed returns the orders that were named. Those that are named while they are read make one more statement,
// so however many change, the region has one statement at a time from this process.
func (h *homeWatch) takeNamed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.named))
	for orderID := range h.named {
		ids = append(ids, orderID)
	}
	clear(h.named)
	return ids
}

func (h *homeWatch) readAll(ctx context.Context) error {
	h.mu.Lock()
	ids := make([]string, 0, len(h.watched))
	for orderID := range h.watched {
		ids = append(ids, orderID)
	}
	h.mu.Unlock()
	return h.read(ctx, ids)
}

// read asks for the orders that are newer than their watchers know, and tells them.
func (h *homeWatch) read(ctx context.Context, ids []string) error {
	for batch := range slices.Chunk(ids, readBatch) {
		known := h.versions(batch)
		if len(known) == 0 {
			continue
		}
		// Without a limit a database that hangs would hold up every later change of this home.
		limited, cancel := context.WithTimeout(ctx, readLimit)
		newer, err := h.store.Newer(limited, h.home, known)
		cancel()
		if err != nil {
			return err
		}
		for _, o := range newer {
			h.tell(o)
		}
	}
	return nil
}

// versions returns what is known of those orders that are still watched.
func (h *homeWatch) versions(ids []string) map[string]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := make(map[string]int64, len(ids))
	for _, orderID := range ids {
		if at := h.watched[orderID]; at != nil {
			known[orderID] = at.version
		}
	}
	return known
}

// tell puts an order into the mailboxes of its watchers, unless they know it already.
func (h *homeWatch) tell(o Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.watched[o.ID]
	// Reads may overtake each other, and a watcher must never see an order go back.
	if at == nil || o.Version <= at.version || o.State == Confirmed && plant.Bites(plant.WatchSkips, 1) {
		return
	}
	at.version = o.Version
	for mailbox := range at.mailboxes {
		// A watcher that is slow finds the newest state and none before it, and holds up nobody: the mailbox has
		// room for one, only the holder of the lock fills it, and it has just been emptied.
		select {
		case <-mailbox:
		default:
		}
		mailbox <- o
	}
}

// join adds a watcher of an order.
func (h *homeWatch) join(orderID string) (mailbox chan Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.watched[orderID]
	if at == nil {
		at = &watchedOrder{mailboxes: map[chan Order]bool{}}
		h.watched[orderID] = at
	}
	mailbox = make(chan Order, 1)
	at.mailboxes[mailbox] = true
	return mailbox
}

// leave removes a watcher.
func (h *homeWatch) leave(orderID string, mailbox chan Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.watched[orderID]
	delete(at.mailboxes, mailbox)
	// Without watchers the order is forgotten, else the map would grow with every order ever watched.
	if len(at.mailboxes) == 0 {
		delete(h.watched, orderID)
	}
}

// signal fills a channel that holds one, if it is empty.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

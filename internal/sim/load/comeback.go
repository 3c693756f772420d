package load

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

const (
	remembered   = 50 // orders of anybody, for others to ask for
	visitsAtOnce = 8  // of those who come back
)

func (l *Load) remember(b bought) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent = append(l.recent, b); len(l.recent) > remembered {
		l.recent = l.recent[1:]
	}
}

// ofAnother returns the latest order of somebody else.
func (l *Load) ofAnother(user string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range slices.Backward(l.recent) {
		if b.user != user {
			return b.order, true
		}
	}
	return "", false
}

// ComeBack has everybody ask anew, long after Run and after whatever went wrong: for their orders under the same keys, to
// see them, for an order of somebody else, and for their carts. Each is a request of the history like any other.
func (l *Load) ComeBack(ctx context.Context) error {
	var visits errgroup.Group
	visits.SetLimit(visitsAtOnce)
	for _, crowd := range l.crowd {
		for _, p := range crowd {
			visits.Go(func() error { l.comeBack(ctx, p); return ctx.Err() })
		}
	}
	return visits.Wait()
}

func (l *Load) comeBack(ctx context.Context, p *person) {
	t := trip{person: p, load: l, rng: rand.New(rand.NewPCG(l.cfg.Seed, uint64(p.Number))), next: time.Now()}
	p.ready(ctx, t.rng)
	p.mu.Lock()
	orders := slices.Clone(p.orders)
	p.mu.Unlock()
	for _, b := range orders {
		again := shopper.PlaceOrder(b.key)
		again.Op.Replay = true
		if t.persist(ctx, again).Outcome == history.OK {
			t.persist(ctx, shopper.GetOrder(b.order))
		}
	}
	if other, ok := l.ofAnother(p.ID()); ok {
		t.ask(ctx, foreign(other))
	}
	t.persist(ctx, shopper.GetCart())
}

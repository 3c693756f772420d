package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// person is one account and whoever uses it, perhaps in two tabs.
type person struct {
	*shopper.Shopper
	currency string // the account's
	email    string
	password string

	carts    sync.RWMutex // held for reading while editing the cart, for writing while checking out
	renewing sync.Mutex   // held while signing in with a token that is about to run out

	mu        sync.Mutex
	refreshAt time.Time // zero while a refresh is under way
	orders    []bought  // the latest, newest last
}

// bought is an order that was acknowledged.
type bought struct{ user, key, order string }

// signedIn has a fresh token refreshed some time in the middle of its life, so that people who signed up together do
// not come back together.
func (p *person) signedIn(rng *rand.Rand) {
	life := time.Until(p.Expires())
	p.refreshIn(time.Duration((0.4 + 0.4*rng.Float64()) * float64(life)))
}

func (p *person) refreshIn(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshAt = time.Now().Add(d)
}

// ready has somebody whose token would run out on the way sign in before setting out.
func (p *person) ready(ctx context.Context, rng *rand.Rand) {
	p.renewing.Lock()
	defer p.renewing.Unlock()
	if time.Until(p.Expires()) < longestTrip && p.Ask(ctx, shopper.SignIn(p.email, p.password)).Outcome == history.OK {
		p.signedIn(rng)
	}
}

// refresh signs in again when the token nears its end.
func (p *person) refresh(ctx context.Context, rng *rand.Rand) {
	p.mu.Lock()
	due := !p.refreshAt.IsZero() && time.Now().After(p.refreshAt)
	if due {
		p.refreshAt = time.Time{} // nobody else's journey does it, too
	}
	p.mu.Unlock()
	if !due {
		return
	}
	if op := p.Ask(ctx, shopper.SignIn(p.email, p.password)); op.Outcome == history.OK {
		p.signedIn(rng)
		return
	}
	p.refreshIn(5 * time.Second)
}

func (p *person) remember(b bought) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.orders = append(p.orders, b); len(p.orders) > 5 {
		p.orders = p.orders[1:]
	}
}

func (p *person) anOrder(rng *rand.Rand) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.orders) == 0 {
		return "", false
	}
	return p.orders[rng.IntN(len(p.orders))].order, true
}

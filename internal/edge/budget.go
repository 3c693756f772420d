package edge

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/method"
)

const (
	budgetShare = 5 // one retry for so many live requests: 20 %
	budgetLeast = 3 // retries that are always allowed
)

// budget bounds the retries that wait for an answer by a share of the requests under way, so that retries
// cannot multiply the load on what is left of a failing region. The zero value is ready; it is safe for
// concurrent use.
type budget struct {
	live, retries atomic.Int64
}

func (b *budget) enter() { b.live.Add(1) }

func (b *budget) leave() { b.live.Add(-1) }

// budgetOf returns the budget that a request's repetition counts in. Requests for a lost region's rows wait for
// its leases and hold their slots meanwhile; reads that any region answers must not wait behind them.
func (e *Edge) budgetOf(m method.Method) *budget {
	if m.Locality == method.Global {
		return &e.reads
	}
	return &e.budget
}

// take claims one retry until give, if the budget allows one.
func (b *budget) take() bool {
	if b.retries.Add(1) <= max(budgetLeast, b.live.Load()/budgetShare) {
		return true
	}
	b.retries.Add(-1)
	return false
}

func (b *budget) give() { b.retries.Add(-1) }

const (
	budgetPause   = 5 * time.Millisecond // between two looks at the budget
	maxBudgetWait = time.Second
)

// claim takes a retry out of the budget. When an instance or a region goes down, all that was under way there
// breaks at once, more than the budget allows at a time: those wait for their turn. What was answered does
// not, since that may be overload.
func (c *course) claim(ctx context.Context, result outcome) bool {
	deadline := time.Now().Add(maxBudgetWait)
	for !c.budget.take() {
		if result == outcomeRefused || result == outcomeStatus || ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		_ = clock.Sleep(ctx, budgetPause/2+rand.N(budgetPause/2)) // a caller who has left is noticed above
	}
	c.claimed = true
	return true
}

// unclaim gives a claimed retry back to the budget.
func (c *course) unclaim() {
	if c.claimed {
		c.budget.give()
		c.claimed = false
	}
}

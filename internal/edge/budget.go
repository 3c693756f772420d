package edge

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
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
func (e *Edge) budgetOf(m decide.Method) *budget {
	if m.Locality == decide.Global {
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

// rampSteps is in how many steps an instance that became healthy gets its full share.
const rampSteps = 10

// pick returns the member with the fewest requests under way that was not tried yet and is fit (nil: all are);
// ties are broken at random. One that became healthy lately counts for a part of an instance, which grows.
func pick(members []discovery.Member, tried []*discovery.Endpoint, fit func(discovery.Member) bool) (best discovery.Member, ok bool) {
	if len(members) == 1 { // there is nothing to compare
		best = members[0]
		return best, !slices.Contains(tried, best.Endpoint) && (fit == nil || fit(best))
	}
	var least int64
	ties, now := 0, time.Now()
	for _, m := range members {
		if slices.Contains(tried, m.Endpoint) || fit != nil && !fit(m) {
			continue
		}
		switch load := (m.InFlight() + 1) * rampSteps / int64(m.Ramp(now, rampSteps)); {
		case ties == 0 || load < least:
			best, least, ties = m, load, 1
		case load == least:
			if ties++; rand.IntN(ties) == 0 {
				best = m
			}
		}
	}
	return best, ties > 0
}

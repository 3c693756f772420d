package edge

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/meridian-commerce/meridian/internal/discovery"
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

// take claims one retry until give, if the budget allows one.
func (b *budget) take() bool {
	if b.retries.Add(1) <= max(budgetLeast, b.live.Load()/budgetShare) {
		return true
	}
	b.retries.Add(-1)
	return false
}

func (b *budget) give() { b.retries.Add(-1) }

// pick returns the member with the fewest requests under way that was not tried yet and is fit (nil: all are);
// ties are broken at random.
func pick(members []discovery.Member, tried []*discovery.Endpoint, fit func(discovery.Member) bool) (best discovery.Member, ok bool) {
	var least int64
	ties := 0
	for _, m := range members {
		if slices.Contains(tried, m.Endpoint) || fit != nil && !fit(m) {
			continue
		}
		switch load := m.InFlight(); {
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

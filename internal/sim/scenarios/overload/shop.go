package overload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

const (
	handle   = "fishermans-rib-sweater" // that everybody looks at
	currency = "EUR"
	wanted   = time.Second            // an answer is of use for so long
	fillFor  = 8 * time.Second        // a cart may be refused while the region is overloaded; a shopper tries again
	fillWait = 100 * time.Millisecond // after a refusal
)

// took is how long a caller waited for an answer.
func took(op history.Op) time.Duration { return op.Returned.Sub(op.Invoked) }

// useful reports a success that came while it was still wanted.
func useful(op history.Op) bool { return op.Outcome == history.OK && took(op) <= wanted }

// refused reports an answer that sends the caller away for the moment: 429 or 503.
func refused(op history.Op) bool { return op.Code == "unavailable" || op.Code == "resource_exhausted" }

// shop is an edge and its shoppers.
type shop struct {
	run     string
	anybody *shopper.Shopper
	skus    []string              // sold in euros; many, because each has only so many units
	idle    chan *shopper.Shopper // who do not order now
}

// openShop looks at what is sold and signs shoppers up.
func openShop(ctx context.Context, rt http.RoundTripper, origin string, seed uint64, shoppers int) (*shop, error) {
	rt = shopper.Spread(rt)
	s := &shop{
		run: fmt.Sprintf("overload-%d-%x", seed, time.Now().UnixMilli()), anybody: shopper.New(rt, origin), idle: make(chan *shopper.Shopper, shoppers),
	}
	products, err := s.anybody.Products(ctx)
	if err != nil {
		return nil, err
	}
	if s.skus, err = shopper.SKUs(products, currency); err != nil {
		return nil, err
	}
	for i := range shoppers {
		p := shopper.New(rt, origin)
		if err := p.Ask(ctx, shopper.SignUpAs(fmt.Sprintf("%s-%d", s.run, i), currency)).Err(); err != nil {
			return nil, err
		}
		s.idle <- p
	}
	return s, nil
}

func (s *shop) browse(ctx context.Context) history.Op {
	return s.anybody.Ask(ctx, shopper.GetProduct(handle))
}

// checkout fills a cart, which may take several attempts, and orders it, once. A cart that stays empty is a failed
// checkout.
func (s *shop) checkout(ctx context.Context, number int, key string, h *history.History) {
	var p *shopper.Shopper
	select {
	case p = <-s.idle:
	default:
		return // every shopper is waiting
	}
	defer func() { s.idle <- p }()
	for deadline := time.Now().Add(fillFor); ; {
		op := p.Ask(ctx, shopper.SetItem(s.skus[number%len(s.skus)], 1, ""))
		h.Add(op)
		if op.Outcome == history.OK {
			break
		}
		if time.Now().After(deadline) {
			// Who cannot fill a cart does not check out: else a region in which few get so far would seem to serve all.
			h.Add(history.Op{Kind: history.PlaceOrder, Outcome: history.Info, Invoked: op.Invoked, Returned: op.Returned})
			return
		}
		if clock.Sleep(ctx, fillWait) != nil {
			return
		}
	}
	h.Add(p.Ask(ctx, shopper.PlaceOrder(key)))
}

// play sends so many requests a second, at random times, from a moment on, and returns when the time is over. The
// returned function waits for the last answer and returns all.
func (s *shop) play(ctx context.Context, seed uint64, from time.Time, lasts time.Duration, browse, orders float64) func() []history.Op {
	var h history.History
	var p load.Player
	times := load.Poisson(rand.New(rand.NewPCG(seed, 0x6f7665726c6f6164)), browse+orders, lasts)
	_ = p.Play(ctx, from, times, func(n int, _ time.Time) { // its error is the context's, which the caller looks at
		// Drawn by number, so that the seed decides who orders and not who is served first.
		if rand.New(rand.NewPCG(seed, uint64(n))).Float64()*(browse+orders) < orders {
			s.checkout(ctx, n, s.run+"-"+strconv.FormatUint(seed, 10)+"-"+strconv.Itoa(n), &h)
		} else {
			h.Add(s.browse(ctx))
		}
	})
	_ = clock.Sleep(ctx, time.Until(from.Add(lasts))) // as above
	return func() []history.Op { p.Wait(); return h.Ops() }
}

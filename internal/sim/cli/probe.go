package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

const (
	probeReads, probeWrites = 25, 7
	probeTimeout            = 5 * time.Second
)

// figure is what a region's own callers wait for, as text for people.
type figure struct{ read, write string }

// probeAll measures every region's edge from beside it: a catalog read, and a change of a cart by a shopper
// who lives there. One region after the other, so that none waits for the work of another's.
func probeAll(ctx context.Context, plan *topology.Plan) []figure {
	figures := make([]figure, len(plan.Regions))
	for i, r := range plan.Regions {
		s := shopper.New(http.DefaultTransport, "http://"+r.Edge)
		s.Patience = probeTimeout
		figures[i] = figure{read: reads(ctx, s), write: writes(ctx, s)}
	}
	return figures
}

func reads(ctx context.Context, s *shopper.Shopper) string {
	return median(probeReads, func(int) history.Op { return s.Ask(ctx, shopper.ListProducts(1)) })
}

func writes(ctx context.Context, s *shopper.Shopper) string {
	const failed = "failed"
	products, err := s.Products(ctx)
	if err != nil {
		return failed
	}
	skus, err := shopper.SKUs(products)
	if err != nil {
		return failed
	}
	if s.Ask(ctx, shopper.SignUp(rand.Text()+"@probe.example", rand.Text(), "Probe", "")).Outcome != history.OK {
		return failed
	}
	return median(probeWrites, func(i int) history.Op { return s.Ask(ctx, shopper.SetItem(skus[0], int32(i+1), "")) })
}

// median asks so many times and returns how long it takes.
func median(times int, ask func(int) history.Op) string {
	var took history.Latencies
	for i := range times {
		op := ask(i)
		if op.Outcome != history.OK {
			return "failed"
		}
		took = append(took, op.Latency())
	}
	return fmt.Sprintf("%.1f ms", *took.At(50))
}

package mutants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// fault is what goes wrong in the middle of a story.
type fault func(ctx context.Context, s *story) error

// look is how often a condition is looked at.
const look = 100 * time.Millisecond

// all is every fault, one after the other.
func all(ctx context.Context, s *story) error {
	for _, f := range []fault{holdBus, takeOver, holdProvider, loseDatabase, giveUp} {
		if err := f(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// in is a part of the region.
func (s *story) in(part string) string { return string(s.r.Catalog.Names()[0]) + "/" + part }

// hold stops a part, without an end of its connections, until something is so.
func (s *story) hold(ctx context.Context, part string, until func() (bool, error)) error {
	if _, err := s.r.Cluster.Break(ctx, cluster.Fault{Kind: cluster.FaultHang, Target: part}); err != nil {
		return err
	}
	return errors.Join(scenario.Until(ctx, look, until), s.r.Cluster.Heal(ctx, part))
}

// count reads a number.
func (s *story) count(ctx context.Context, sql string, args ...any) (n int, err error) {
	if err = s.r.DB.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("mutants: count: %w", err)
	}
	return n, nil
}

// holdBus stops the bus once orders are being paid, until they are.
func holdBus(ctx context.Context, s *story) error {
	if err := scenario.Until(ctx, look, func() (bool, error) {
		n, err := s.count(ctx, `SELECT count(*) FROM payments`)
		return n >= people, err
	}); err != nil {
		return err
	}
	return s.hold(ctx, s.in("bus"), func() (bool, error) {
		n, err := s.count(ctx, `SELECT count(*) FROM payments WHERE due_at IS NOT NULL`)
		return n == 0, err
	})
}

// holdProvider stops the payment provider until somebody waits for it.
func holdProvider(ctx context.Context, s *story) error {
	ordered := false
	return s.hold(ctx, "provider", func() (bool, error) {
		if !ordered {
			ordered = true
			return false, s.order(ctx, s.who[0], s.run+"-held")
		}
		n, err := s.count(ctx, `SELECT count(*) FROM payments WHERE state = 'authorizing' AND attempts > 1`)
		return n > 0, err
	})
}

// takeOver kills one stack after the other, with carts that were filled before.
func takeOver(ctx context.Context, s *story) error {
	for _, stack := range []string{s.in("stack-1"), s.in("stack-2")} {
		err := s.together(func(i int, p *shopper.Shopper) error { return persist(ctx, p, shopper.SetItem(s.skus[i], 1, "")).Err() })
		if err != nil {
			return err
		}
		if _, err := s.r.Cluster.Kill(ctx, stack); err != nil {
			return err
		}
		_ = s.together(func(_ int, p *shopper.Shopper) error { persist(ctx, p, shopper.GetCart()); return nil })
		if err := s.r.Cluster.Heal(ctx, stack); err != nil {
			return err
		}
	}
	return nil
}

// loseDatabase has people sign up while the region has no way into its database.
func loseDatabase(ctx context.Context, s *story) error {
	if _, err := s.r.Cluster.Kill(ctx, s.in("gateway")); err != nil {
		return err
	}
	for i := range people {
		p, err := s.visitor()
		if err != nil {
			return err
		}
		p.Ask(ctx, shopper.SignUpAs(fmt.Sprintf("%s-lost-%d", s.run, i), s.city.Currency))
	}
	return s.r.Cluster.Heal(ctx, s.in("gateway"))
}

// giveUp has somebody give up on an order that is placed all the same.
func giveUp(ctx context.Context, s *story) error {
	p, err := s.visitor()
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := persist(ctx, s.who[0], shopper.SetItem(s.skus[0], 1, "")).Err(); err != nil {
			return err
		}
		p.Patience = time.Duration(1+n%40) * time.Millisecond
		key := fmt.Sprintf("%s-left-%d", s.run, n)
		if op := p.As(s.who[0]).Ask(ctx, shopper.PlaceOrder(key)); op.Outcome == history.Info {
			if n, err := s.count(ctx, `SELECT count(*) FROM orders WHERE idempotency_key = $1`, key); n > 0 || err != nil {
				return err
			}
		}
	}
}

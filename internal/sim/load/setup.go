package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
	"github.com/meridian-commerce/meridian/regions"
)

// Of every eight shoppers one has traveled since signing up: it sits near another region than its home.
const travelersOneIn = 8

// signUpsAtOnce bounds what set-up asks for: hashing a password costs the system a core for a while.
const signUpsAtOnce = 3

// setUp reads the catalog and signs every shopper up, in the city where it lives.
func (l *Load) setUp(ctx context.Context) error {
	l.crowd = make([][]*person, len(l.cfg.Cities))
	homes := l.residents()
	first, err := l.personIn(l.cfg.Cities[0], 0)
	if err != nil {
		return err
	}
	products, err := first.Products(ctx)
	if err != nil {
		return err
	}
	l.store = assort(products, l.cfg.Seed)
	people := make([]*person, len(homes))
	var progress sync.Mutex
	ready := 0
	group, signing := errgroup.WithContext(ctx)
	group.SetLimit(signUpsAtOnce)
	for i, city := range homes {
		group.Go(func() error {
			var err error
			if people[i], err = l.signUp(signing, i, city); err != nil {
				return err
			}
			progress.Lock()
			defer progress.Unlock()
			if ready++; ready%20 == 0 || ready == len(homes) {
				_, _ = fmt.Fprintf(l.cfg.Progress, "signed up %d of %d shoppers\n", ready, len(homes))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.place(people, homes)
}

// residents returns, for each shopper, the index of the city where it lives: at least one in each, and the
// rest by the cities' people.
func (l *Load) residents() []int {
	var out []int
	total := 0.0
	for i, c := range l.cfg.Cities {
		out = append(out, i)
		total += c.People
	}
	spare := float64(l.cfg.Shoppers - len(out))
	passed := 0.0
	for i, c := range l.cfg.Cities {
		before := int(passed)
		passed += spare * c.People / total
		out = append(out, slices.Repeat([]int{i}, int(passed+1e-9)-before)...)
	}
	return out
}

// place fills the cities with people who are at home, but for the travelers: each is in a random city whose nearest region
// is not its home.
func (l *Load) place(people []*person, homes []int) error {
	rng := rand.New(rand.NewPCG(l.cfg.Seed, 0x74726176656c))
	for i, p := range people {
		city := homes[i]
		if abroad := l.abroad(p); i >= len(l.cfg.Cities) && i%travelersOneIn == 0 && len(abroad) > 0 {
			city = abroad[rng.IntN(len(abroad))]
			there, err := l.personIn(l.cfg.Cities[city], p.Number)
			if err != nil {
				return err
			}
			p.Shopper = there.As(p.Shopper)
		}
		l.crowd[city] = append(l.crowd[city], p)
	}
	return nil
}

func (l *Load) abroad(p *person) []int {
	var out []int
	for i, c := range l.cfg.Cities {
		if l.cfg.Access.Nearest(c.Place.City) != p.Home() {
			out = append(out, i)
		}
	}
	return out
}

// personIn returns a person in a city, without an account so far.
func (l *Load) personIn(c internet.City, number int) (*person, error) {
	rt, err := l.cfg.Access.Caller(c.Place.City, c.Address(number))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	s := shopper.New(rt, shopper.Origin)
	s.Number = number
	s.City = c.Place.City
	s.Nearest = l.cfg.Access.Nearest(s.City)
	s.History = l.cfg.History
	return &person{Shopper: s, currency: c.Currency}, nil
}

// signUp opens the account of person i, who lives in that city. A stack that is still warming up gets a few
// more chances, each with a fresh address, since the outcome of the one before may be unknown.
func (l *Load) signUp(ctx context.Context, i, city int) (*person, error) {
	c := l.cfg.Cities[city]
	p, err := l.personIn(c, i)
	if err != nil {
		return nil, err
	}
	p.password = fmt.Sprintf("correct horse %d battery", i)
	rng := rand.New(rand.NewPCG(l.cfg.Seed, uint64(i)))
	var op history.Op
	for try := range 5 {
		p.email = fmt.Sprintf("shopper-%d-%d.%s@example.com", i, try, l.run)
		op = p.Ask(ctx, shopper.SignUp(p.email, p.password, fmt.Sprintf("Shopper %d", i), p.currency))
		if op.Outcome == history.OK {
			p.signedIn(rng)
			return p, nil
		}
		if err := clock.Sleep(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("load: sign up in %s: %w", c.Place.City, op.Err())
}

// Homes returns how many shoppers each region is home to.
func (l *Load) Homes() map[regions.Name]int {
	out := map[regions.Name]int{}
	for _, crowd := range l.crowd {
		for _, p := range crowd {
			out[p.Home()]++
		}
	}
	return out
}

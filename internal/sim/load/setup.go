package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// Of every eight shoppers one has traveled since signing up: it sits near another region than its home.
const travelersOneIn = 8

// signUpsAtOnce bounds what set-up asks for: hashing a password costs the system a core for a while.
const signUpsAtOnce = 3

// SetUp reads the catalog and signs every shopper up, in the city where it lives.
func (l *Load) SetUp(ctx context.Context) error {
	l.crowd = make([][]*shopper, len(l.cfg.Cities))
	homes := l.residents()
	todo := make(chan int, len(homes))
	for i := range homes {
		todo <- i
	}
	close(todo)
	first, err := l.shopperIn(l.cfg.Cities[0], 0)
	if err != nil {
		return err
	}
	if l.store, err = readAssortment(ctx, first.catalog, l.cfg.Seed); err != nil {
		return err
	}
	type signedUp struct {
		index int
		s     *shopper
		err   error
	}
	done := make(chan signedUp)
	for range signUpsAtOnce {
		go func() {
			for i := range todo {
				s, err := l.signUp(ctx, i, homes[i])
				done <- signedUp{i, s, err}
			}
		}()
	}
	shoppers := make([]*shopper, len(homes))
	var failed error
	for n := range homes {
		r := <-done
		shoppers[r.index], failed = r.s, errors.Join(failed, r.err)
		if (n+1)%20 == 0 || n+1 == len(homes) {
			_, _ = fmt.Fprintf(l.cfg.Progress, "signed up %d of %d shoppers\n", n+1, len(homes))
		}
	}
	if failed != nil {
		return failed
	}
	return l.settle(shoppers)
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
		for range int(passed+1e-9) - before {
			out = append(out, i)
		}
	}
	return out
}

// settle lets the travelers travel and fills the cities.
func (l *Load) settle(shoppers []*shopper) error {
	rng := rand.New(rand.NewPCG(l.cfg.Seed, 0x74726176656c))
	for i, s := range shoppers {
		city := l.residentCity(s.city)
		if i >= len(l.cfg.Cities) && i%travelersOneIn == 0 {
			var err error
			if city, err = l.travel(s, rng); err != nil {
				return err
			}
		}
		l.crowd[city] = append(l.crowd[city], s)
	}
	return nil
}

// travel moves a shopper to a random city whose nearest region is not its home.
func (l *Load) travel(s *shopper, rng *rand.Rand) (int, error) {
	var abroad []int
	for i, c := range l.cfg.Cities {
		if l.cfg.Access.Nearest(c.Place.City) != s.home {
			abroad = append(abroad, i)
		}
	}
	if len(abroad) == 0 {
		return l.residentCity(s.city), nil
	}
	city := abroad[rng.IntN(len(abroad))]
	there, err := l.shopperIn(l.cfg.Cities[city], s.number)
	if err != nil {
		return 0, err
	}
	currency := s.city.Currency // the account's
	s.clients, s.city, s.nearest = there.clients, there.city, there.nearest
	s.city.Currency = currency
	return city, nil
}

func (l *Load) residentCity(c internet.City) int {
	for i, other := range l.cfg.Cities {
		if other.Place == c.Place {
			return i
		}
	}
	return 0
}

// shopperIn returns a shopper in a city, without an account so far.
func (l *Load) shopperIn(c internet.City, number int) (*shopper, error) {
	rt, err := l.cfg.Access.Caller(c.Place.City, c.Address(number))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return &shopper{
		clients: newClients(rt), history: l.cfg.History, store: l.store, number: number, run: l.run,
		city: c, nearest: l.cfg.Access.Nearest(c.Place.City),
	}, nil
}

// signUp opens the account of shopper i, who lives in that city. A stack that is still warming up gets a few
// more chances, each with a fresh address, since the outcome of the one before may be unknown.
func (l *Load) signUp(ctx context.Context, i, city int) (*shopper, error) {
	c := l.cfg.Cities[city]
	s, err := l.shopperIn(c, i)
	if err != nil {
		return nil, err
	}
	s.password = fmt.Sprintf("correct horse %d battery", i)
	rng := rand.New(rand.NewPCG(l.cfg.Seed, uint64(i)))
	var op history.Op
	for try := range 5 {
		s.email = fmt.Sprintf("shopper-%d-%d.%s@example.com", i, try, l.run)
		op = s.call(ctx, history.Op{Kind: history.SignUp}, nil, func(ctx context.Context, _ *history.Op) error {
			answer, err := s.account.SignUp(ctx, &accountv1.SignUpRequest{
				Email: s.email, Password: s.password, DisplayName: fmt.Sprintf("Shopper %d", i), Currency: c.Currency,
			})
			if err == nil {
				s.signedIn(answer.GetAccount(), answer.GetAccessToken(), answer.GetAccessTokenExpireTime().AsTime(), rng)
			}
			return err
		})
		if op.Outcome == history.OK {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
	return nil, fmt.Errorf("load: sign up in %s: %s %s: %s", c.Place.City, op.Code, op.Reason, op.Message)
}

// Homes returns how many shoppers each region is home to. It is for after SetUp.
func (l *Load) Homes() map[regions.Name]int {
	out := map[regions.Name]int{}
	for _, crowd := range l.crowd {
		for _, s := range crowd {
			out[s.home]++
		}
	}
	return out
}

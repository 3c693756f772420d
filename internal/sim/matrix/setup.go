package matrix

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// shop is what can be looked at and bought.
type shop struct {
	handle string
	skus   []string // priced in every currency that the probes pay in
}

func (s shop) sku(n int) string { return s.skus[n%len(s.skus)] }

// place is a city and a caller in it.
type place struct {
	internet.City
	region regions.Name // whose edge is nearest
	caller caller
	access Access
}

// another is a caller at another address of the city.
func (p place) another(n int) (caller, error) {
	rt, err := p.access.Caller(p.name(), p.Address(1+n))
	if err != nil {
		return caller{}, fmt.Errorf("matrix: %w", err)
	}
	return newCaller(rt), nil
}

func (p place) name() string { return p.Place.City }

// setUp signs the probes' users up, where they live, and arranges the probes.
func setUp(ctx context.Context, cfg Config, w world) (*probes, error) {
	run := fmt.Sprintf("matrix-%d-%x", cfg.Seed, time.Now().UnixMilli())
	p := &probes{lost: cfg.Region, routed: map[int]regions.Name{}, log: newLog(), ledger: newLedger(run)}
	lost, err := placeIn(w, cfg.Region)
	if err != nil {
		return nil, err
	}
	var alive []place
	for _, n := range w.catalog.Nearest(cfg.Region) {
		if n == cfg.Region {
			continue
		}
		there, err := placeIn(w, n)
		if err != nil {
			return nil, err
		}
		alive = append(alive, there)
	}
	if p.shop, err = readShop(ctx, alive[0].caller, alive[0].Currency, lost.Currency); err != nil {
		return nil, err
	}
	theirs, err := settlers(ctx, run, p.shop, lost, 3+2*orderers)
	if err != nil {
		return nil, err
	}
	others, err := settlers(ctx, run, p.shop, alive[0], 1+orderers)
	if err != nil {
		return nil, err
	}
	for _, there := range alive {
		p.reads(there.caller, groupAlive, there.name(), "")
		p.routed[p.reads(there.caller, groupAlive, there.name(), cfg.Region)] = there.region
		p.carts(there.caller, groupHome, there.name(), theirs[0])
		p.signUps(there, run)
	}
	near := alive[0]
	p.carts(near.caller, groupAlive, near.name(), others[0])
	p.orders(near.caller, groupAlive, near.name(), others[1:], run)
	p.edits(near.caller, groupHome, near.name(), theirs[1])
	p.orders(near.caller, groupHome, near.name(), theirs[3:3+orderers], run)

	p.reads(lost.caller, groupEntry, lost.name(), "")
	p.carts(lost.caller, groupBoth, lost.name(), theirs[0])
	p.edits(lost.caller, groupBoth, lost.name(), theirs[2])
	p.orders(lost.caller, groupBoth, lost.name(), theirs[3+orderers:], run)
	p.signUps(lost, run)
	return p, nil
}

// placeIn returns the city nearest to a region's edge, of those that enter there and whose people live there.
func placeIn(w world, region regions.Name) (place, error) {
	cities := slices.DeleteFunc(slices.Clone(w.cities), func(c internet.City) bool {
		home, _ := w.catalog.Prefers(c.Place.Country)
		return home != region || w.net.Nearest(c.Place.City) != region
	})
	if len(cities) == 0 {
		return place{}, fmt.Errorf("matrix: no city of the model is at home in %s", region)
	}
	city := slices.MinFunc(cities, func(a, b internet.City) int {
		return cmp.Compare(w.net.RTT(a.Place.City, region), w.net.RTT(b.Place.City, region))
	})
	p := place{City: city, region: region, access: w.net}
	var err error
	p.caller, err = p.another(0)
	return p, err
}

// readShop finds a product and what can be bought in all of some currencies.
func readShop(ctx context.Context, c caller, currencies ...string) (shop, error) {
	var page struct {
		Products []struct {
			Handle   string
			Variants []struct {
				Sku    string
				Prices []struct{ Currency string }
			}
		}
	}
	if a := c.do(ctx, ask{path: listProducts, read: true, body: map[string]int{"pageSize": 50}}, &page); !a.ok() {
		return shop{}, fmt.Errorf("matrix: list products: %w", a.err)
	}
	var s shop
	for _, product := range page.Products {
		s.handle = product.Handle
		for _, v := range product.Variants {
			sold := map[string]bool{}
			for _, price := range v.Prices {
				sold[price.Currency] = true
			}
			if !slices.ContainsFunc(currencies, func(currency string) bool { return !sold[currency] }) {
				s.skus = append(s.skus, v.Sku)
			}
		}
	}
	if len(s.skus) == 0 {
		return shop{}, fmt.Errorf("matrix: nothing is sold in all of %v; seed the catalog first", currencies)
	}
	return s, nil
}

// orderers is how many users take turns in ordering: more than a user may order in the time of one turn.
const orderers = 4

// settlers signs users up in a place and puts something into their carts, so that there is a row to read.
func settlers(ctx context.Context, run string, s shop, there place, n int) ([]user, error) {
	var users []user
	for i := range n {
		u, err := settle(ctx, fmt.Sprintf("%s-%s-%d", run, there.region, i), s, there, -1-i)
		for try := 1; err != nil && try < 5; try++ { // stacks that have just started are slow
			if err := clock.Sleep(ctx, time.Second); err != nil {
				return nil, err
			}
			u, err = settle(ctx, fmt.Sprintf("%s-%s-%d-%d", run, there.region, i, try), s, there, -1-i)
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func settle(ctx context.Context, name string, s shop, there place, address int) (user, error) {
	who, err := there.another(address)
	if err != nil {
		return user{}, err
	}
	u, a := who.signUp(ctx, name, there.Currency)
	switch {
	case !a.ok():
		return u, fmt.Errorf("matrix: sign up in %s: %w", there.name(), a.err)
	case u.home != there.region:
		return u, fmt.Errorf("matrix: a sign-up from %s is at home in %s", there.name(), u.home)
	}
	if a := who.do(ctx, ask{path: setItem, token: u.token, body: map[string]any{"sku": s.sku(0), "quantity": 1}}, nil); !a.ok() {
		return u, fmt.Errorf("matrix: fill a cart in %s: %w", there.name(), a.err)
	}
	return u, nil
}

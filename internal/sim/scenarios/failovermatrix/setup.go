package failovermatrix

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
	"github.com/meridian-commerce/meridian/regions"
)

// shop is what can be looked at and bought.
type shop struct {
	handle string
	skus   []string // priced in every currency that the probes pay in
}

func (s shop) sku(n int) string { return s.skus[n%len(s.skus)] }

// place is a city and whoever calls from it.
type place struct {
	internet.City
	region  regions.Name // whose edge is nearest
	anybody *shopper.Shopper
	net     scenario.Network
	history *history.History
}

// caller is somebody without an account at an address of the city, who has little patience.
func (p place) caller(address int) (*shopper.Shopper, error) {
	rt, err := p.net.Caller(p.name(), p.Address(address))
	if err != nil {
		return nil, fmt.Errorf("failover-matrix: %w", err)
	}
	s := shopper.New(rt, shopper.Origin)
	s.Patience = patience
	s.History = p.history
	return s, nil
}

func (p place) name() string { return p.Place.City }

// setUp signs the probes' users up, where they live, and arranges the probes.
func setUp(ctx context.Context, region regions.Name, r *scenario.Run, h *history.History) (*probes, error) {
	run := fmt.Sprintf("matrix-%d-%x", r.Seed, time.Now().UnixMilli())
	p := &probes{lost: region, routed: map[int]regions.Name{}, log: newLog(), ledger: newLedger(run)}
	var places []place
	for _, n := range r.Catalog.Nearest(region) {
		there, err := placeIn(r, n, h)
		if err != nil {
			return nil, err
		}
		places = append(places, there)
	}
	lost, near, alive := places[0], places[1], places[1:]
	products, err := near.anybody.Products(ctx)
	if err != nil {
		return nil, err
	}
	p.shop.handle = products[0].GetHandle()
	if p.shop.skus, err = shopper.SKUs(products, near.Currency, lost.Currency); err != nil {
		return nil, err
	}
	theirs, err := signUpAll(ctx, run, p.shop, lost, 3+2*orderers)
	if err != nil {
		return nil, err
	}
	others, err := signUpAll(ctx, run, p.shop, near, 1+orderers)
	if err != nil {
		return nil, err
	}
	for _, there := range alive {
		p.reads(there, groupAlive, "")
		p.routed[p.reads(there, groupAlive, region)] = there.region
		p.carts(there, groupHome, theirs[0])
		p.signUps(there)
	}
	p.carts(near, groupAlive, others[0])
	p.orders(near, groupAlive, others[1:])
	p.edits(near, groupHome, theirs[1])
	p.orders(near, groupHome, theirs[3:3+orderers])

	p.reads(lost, groupEntry, "")
	p.carts(lost, groupBoth, theirs[0])
	p.edits(lost, groupBoth, theirs[2])
	p.orders(lost, groupBoth, theirs[3+orderers:])
	p.signUps(lost)
	return p, nil
}

// placeIn returns the city nearest to a region's edge, of those that enter there and whose people live there.
func placeIn(r *scenario.Run, region regions.Name, h *history.History) (place, error) {
	cities := slices.DeleteFunc(internet.Cities(), func(c internet.City) bool {
		home, _ := r.Catalog.Prefers(c.Place.Country)
		return home != region || r.Net.Nearest(c.Place.City) != region
	})
	if len(cities) == 0 {
		return place{}, fmt.Errorf("failover-matrix: no city of the model is at home in %s", region)
	}
	city := slices.MinFunc(cities, func(a, b internet.City) int {
		return cmp.Compare(r.Net.RTT(a.Place.City, region), r.Net.RTT(b.Place.City, region))
	})
	p := place{City: city, region: region, net: r.Net, history: h}
	var err error
	p.anybody, err = p.caller(1)
	return p, err
}

// orderers is how many users take turns in ordering: more than a user may order in the time of one turn.
const orderers = 4

// signUpAll signs users up in a place and puts something into their carts, so that there is a row to read.
func signUpAll(ctx context.Context, run string, s shop, there place, n int) ([]*shopper.Shopper, error) {
	var users []*shopper.Shopper
	for i := range n {
		var u *shopper.Shopper
		var err error
		for try := range 5 { // stacks that have just started are slow
			if u, err = signUpOne(ctx, fmt.Sprintf("%s-%s-%d-%d", run, there.region, i, try), s, there, -i); err == nil {
				break
			}
			if err := clock.Sleep(ctx, time.Second); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func signUpOne(ctx context.Context, name string, s shop, there place, address int) (*shopper.Shopper, error) {
	u, err := there.caller(address)
	if err != nil {
		return nil, err
	}
	for _, request := range []shopper.Request{shopper.SignUpAs(name, there.Currency), shopper.SetItem(s.sku(0), 1, "")} {
		if err := u.Ask(ctx, request).Err(); err != nil {
			return nil, fmt.Errorf("failover-matrix: in %s: %w", there.name(), err)
		}
	}
	if u.Home() != there.region {
		return nil, fmt.Errorf("failover-matrix: a sign-up from %s is at home in %s", there.name(), u.Home())
	}
	return u, nil
}

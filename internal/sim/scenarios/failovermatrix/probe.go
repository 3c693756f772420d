package failovermatrix

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
	"github.com/meridian-commerce/meridian/regions"
)

// group is what probes have in common that fail or recover for the same reason.
type group string

const (
	// entry edge and rows are with living regions; reads of GLOBAL data, also such as prefer the lost region
	groupAlive group = "entry lives"
	// the entry edge lives, the rows are the lost region's: the database has a share in the recovery
	groupHome group = "entry lives, home lost"
	// callers of the lost region's edge, reads of GLOBAL data
	groupEntry group = "entry lost"
	// callers of the lost region's edge, rows of the lost region
	groupBoth group = "entry and home lost"
	// sign-ups, which nobody may repeat: only counted
	groupOnce group = "once"
)

// How often probes ask. Writes wait for their answer first.
const (
	globalEvery, homeEvery             = 100 * time.Millisecond, 250 * time.Millisecond
	cartEvery, orderEvery, signUpEvery = 200 * time.Millisecond, 500 * time.Millisecond, time.Second
	headerPrefer                       = "Meridian-Prefer-Region"
)

// codeExists is the code of a sign-up whose address is taken.
const codeExists = "already_exists"

// served reports an answer, or a refusal for a reason of the shop's, which is no loss of service.
func served(op history.Op) bool {
	return op.Outcome == history.OK || op.Code == codeExists || op.Code == "aborted" || op.Code == "failed_precondition"
}

// probe asks for one thing over and over.
type probe struct {
	number     int
	name       string
	group      group
	repeatable bool // a failure counts as a failed repeatable request
	every      time.Duration
	closed     bool // one at a time
	once       func(ctx context.Context) history.Op
}

// probes are all of them, and what they work with.
type probes struct {
	lost   regions.Name
	all    []probe
	routed map[int]regions.Name // the probes whose reads go to the region while it lives, with where they enter
	log    *log
	ledger *ledger
	shop   shop
}

func (p *probes) add(pr probe) int {
	pr.number = len(p.all)
	p.all = append(p.all, pr)
	return pr.number
}

// run lets every probe ask until ctx ends, and returns when the last answer is there.
func (p *probes) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, pr := range p.all {
		running.Go(func() { p.repeat(ctx, pr, &running) })
	}
	running.Wait()
}

// repeat asks at fixed times, or, if the probe is closed, at the first of them after the last answer. Requests
// under way when ctx ends are not canceled: what they do is counted.
func (p *probes) repeat(ctx context.Context, pr probe, running *sync.WaitGroup) {
	asking := context.WithoutCancel(ctx)
	ask := func() {
		done := p.log.begin(pr.number)
		done(pr.once(asking))
	}
	clock := time.NewTimer(pr.every * time.Duration(pr.number) / time.Duration(len(p.all))) // not all at once
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		clock.Reset(pr.every)
		if pr.closed {
			ask()
		} else {
			running.Go(ask)
		}
	}
}

// awaitSteady returns once the region answers most reads that prefer it, so that its loss can be noticed. It may
// take a while: edges take back slowly what has failed. steady is false if it answered only some for too long.
func (p *probes) awaitSteady(ctx context.Context) (steady bool, err error) {
	deadline := time.Now().Add(steadyAtMost)
	err = scenario.Until(ctx, globalEvery, func() (bool, error) {
		least := steadyReads
		for number, entry := range p.routed {
			least = min(least, p.log.last(number, steadyReads, func(op history.Op) bool {
				return served(op) && op.Served == p.lost && op.Entry == entry
			}))
		}
		steady = least >= steadyEnough
		late := time.Now().After(deadline)
		if late && least == 0 {
			return false, fmt.Errorf("failover-matrix: for %v %s answered none of the reads that prefer it; nothing can be measured", steadyAtMost, p.lost)
		}
		return steady || late, nil
	})
	return steady, err
}

// awaitAnswers returns once every request that set off before a time has its answer.
func (p *probes) awaitAnswers(ctx context.Context, before time.Time) error {
	deadline := time.Now().Add(patience + time.Second)
	return scenario.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		return !p.log.waiting(before) || time.Now().After(deadline), nil
	})
}

// reads is a probe of GLOBAL data; prefer, if not empty, is where it wants to be answered.
func (p *probes) reads(there place, g group, prefer regions.Name) int {
	name := "product, from " + there.name()
	look := shopper.GetProduct(p.shop.handle)
	if prefer != "" {
		name = "product of " + string(prefer) + ", from " + there.name()
		look.Header = http.Header{headerPrefer: {string(prefer)}}
	}
	return p.add(probe{name: name, group: g, repeatable: true, every: globalEvery, once: func(ctx context.Context) history.Op {
		return there.anybody.Ask(ctx, look)
	}})
}

// carts is a probe that reads a user's cart.
func (p *probes) carts(there place, g group, u *shopper.Shopper) {
	u = there.anybody.As(u)
	p.add(probe{name: "cart of " + string(u.Home()) + ", from " + there.name(), group: g, repeatable: true, every: homeEvery, once: func(ctx context.Context) history.Op {
		return u.Ask(ctx, shopper.GetCart())
	}})
}

// edits is a probe that changes a user's cart, each time under the condition that it is as it was last seen,
// so that each change that was asked for can happen once at most.
func (p *probes) edits(there place, g group, u *shopper.Shopper) {
	u = there.anybody.As(u)
	etag := "" // "": what the last edit did is not known
	units := int32(0)
	p.add(probe{name: "edit a cart of " + string(u.Home()) + ", from " + there.name(), group: g, every: cartEvery, closed: true, once: func(ctx context.Context) history.Op {
		if etag == "" {
			seen := u.Ask(ctx, shopper.GetCart())
			if seen.Outcome != history.OK {
				return seen
			}
			etag = seen.Etag
		}
		units = units%9 + 1
		p.ledger.note(func(l *ledger) { l.edits[u.ID()]++ })
		op := u.Ask(ctx, shopper.SetItem(p.shop.sku(0), units, etag))
		etag = op.Etag
		return op
	}})
}

// orders is a probe that fills a user's cart and orders it under a fresh key, once. Its users take turns, because
// the shop limits how often one may order.
func (p *probes) orders(there place, g group, users []*shopper.Shopper) {
	n := 0
	for i := range users {
		users[i] = there.anybody.As(users[i])
	}
	home := string(users[0].Home())
	p.add(probe{name: "order of " + home + ", from " + there.name(), group: g, repeatable: true, every: orderEvery, closed: true, once: func(ctx context.Context) history.Op {
		n++
		u := users[n%len(users)]
		if op := u.Ask(ctx, shopper.SetItem(p.shop.sku(n), 1, "")); op.Outcome != history.OK {
			return op
		}
		key := p.ledger.run + "-" + u.ID() + "-" + strconv.Itoa(n)
		p.ledger.note(func(l *ledger) { l.orders[key] = "" })
		op := u.Ask(ctx, shopper.PlaceOrder(key))
		if op.Outcome == history.OK {
			p.ledger.note(func(l *ledger) { l.orders[key] = op.Order })
		}
		return op
	}})
}

// signUps is a probe that opens accounts, each from another address, because the edge limits how many one may
// open. A sign-up has no key, so nobody may repeat it: an answer that the fresh e-mail address is taken means that
// somebody did.
func (p *probes) signUps(there place) {
	n := 0
	p.add(probe{name: "sign-up, from " + there.name(), group: groupOnce, every: signUpEvery, closed: true, once: func(ctx context.Context) history.Op {
		n++
		name := fmt.Sprintf("%s-%s-sign-up-%d", p.ledger.run, there.region, n)
		p.ledger.note(func(l *ledger) { l.signUps++ })
		who, err := there.caller(1 + n)
		if err != nil {
			return history.Op{Kind: history.SignUp, Outcome: history.Info, Message: err.Error()}
		}
		op := who.Ask(ctx, shopper.SignUpAs(name, there.Currency))
		if op.Code == codeExists {
			p.ledger.note(func(l *ledger) { l.clashes = append(l.clashes, "the fresh address of "+name+" was taken") })
		}
		return op
	}})
}

package capacity

import (
	"fmt"
	"strings"
)

// How the payment worker works, as internal/payment has it: one instance of a region claims this many times
// payment.concurrency payments in a transaction, and moves payment.concurrency of them on at the same time, each with
// a question to the provider and a transaction. An order takes two such steps: authorize and capture.
const (
	paymentRounds = 2
	paymentSteps  = 2
)

// warn says what the figures alone do not.
func (m *making) warn(p *Plan) {
	m.warnRows(p)
	m.warnLosses(p)
	m.warnConnections(p)
	if edge, stack := m.Profile.overheads(); edge > 1 || stack > 1 {
		p.warn("MIXED_LOAD", "a mixed load took %.2f times the processor time that the sum of its requests says at edges and %.2f times at stacks; the plan counts with that", edge, stack)
	}
	stack := func(c Cost) float64 { return c.StackMicros }
	if signing := m.each.sum(m.Profile, stack, SignIn, SignUp) / m.each.sum(m.Profile, stack); signing >= 0.2 {
		p.warn("SIGN_IN", "hashing passwords is %s of the stacks' work, by the number of sign-ins for each order that is assumed", percent(signing))
	}
	for _, n := range m.names {
		if _, known := m.Prices.region(n); !known {
			p.warn("PRICE_UNKNOWN", "the price table does not know %s; it is priced like the most expensive region that it knows", n)
		}
	}
	p.warn("DATABASE_NOT_MEASURED", "no CockroachDB was measured: its size rests on published benchmarks, see the assumptions; load-test the cluster before you rely on it")
}

func (p *Plan) warn(code, format string, args ...any) {
	p.Warnings = append(p.Warnings, Warning{code, fmt.Sprintf(format, args...)})
}

// warnRows compares the best seller's orders with what one row takes, which is locked from its reservation until the
// commit has reached a second region, and all orders with what a region's one payment worker does.
func (m *making) warnRows(p *Plan) {
	var selling, paying []string
	a := m.Assumptions
	for _, r := range p.Regions {
		held := m.held(m.worlds[0], r.Region)
		if asked := r.OrdersPerSecond * a.HotShare; asked > 1/held {
			selling = append(selling, fmt.Sprintf("%s can sell %.0f a second of one variant, %.0f are asked for", r.Region, 1/held, asked))
		}
		step := held + paymentRounds*(a.ProviderMs/1000+held)
		if most := paymentRounds * float64(a.Payments) / step / paymentSteps; r.OrdersPerSecond > most {
			paying = append(paying, fmt.Sprintf("%s confirms and captures about %.0f orders a second, %.0f are placed", r.Region, most, r.OrdersPerSecond))
		}
	}
	if len(selling) > 0 {
		p.warn("HOT_SKU", "%s: a stock row is locked until its commit reached the nearest other region; more pods or nodes do not help", strings.Join(selling, "; "))
	}
	if len(paying) > 0 {
		p.warn("PAYMENT_WORKER", "%s: one worker of a region holds its lease and works on %d payments at a time; beyond that orders are accepted and wait for payment until the peak is over: raise payment.concurrency, and say so with --payment-concurrency",
			strings.Join(paying, "; "), a.Payments)
	}
}

// warnLosses says where commits take longer with a region lost, and whose users nobody may serve.
func (m *making) warnLosses(p *Plan) {
	for _, l := range p.Losses {
		for _, s := range l.Others {
			before := float64(m.worlds[0].commit[s.Region].Microseconds()) / 1000
			if s.CommitMillis > before && before > 0 {
				p.warn("SLOWER_COMMITS", "with %s lost, a commit in %s takes %.0f ms instead of %.0f: its quorum is further away", l.Region, s.Region, s.CommitMillis, before)
			}
		}
	}
	for _, l := range p.Losses {
		if l.Unserved > 0 {
			p.warn("RESIDENCY", "with %s lost, %.1f orders a second are refused: its residency group is strict and has no other region here", l.Region, l.Unserved)
		}
	}
}

// warnConnections says where connections rather than work decide the size, and what an unlicensed cluster would do.
func (m *making) warnConnections(p *Plan) {
	const unlicensed = 5
	var pools, databases []string
	open := 0.0
	for _, r := range p.Regions {
		if strings.HasPrefix(r.Checkout.Bound, "connections") {
			pools = append(pools, string(r.Region))
		}
		if strings.HasPrefix(r.Database.Bound, "connections") {
			databases = append(databases, string(r.Region))
		}
		open += m.worlds[0].needs[r.Region].connections
	}
	if len(pools) > 0 {
		p.warn("POOL", "in %s the checkout pods are as many as it takes to hold connections open while commits wait, %d each; their processors would do with fewer: raise database.max_conns, and say so with --max-conns", strings.Join(pools, ", "), m.Assumptions.ConnsPerPod)
	}
	if len(databases) > 0 {
		p.warn("DATABASE_CONNECTIONS", "in %s the database is as large as %.0f connections for each vCPU ask for; its work would do with less", strings.Join(databases, ", "), m.Assumptions.ConnsPerVCPU)
	}
	if open > unlicensed {
		p.warn("LICENSE", "about %.0f transactions are open at a time; a CockroachDB cluster without a license key lets %d run at a time once its grace period of seven days is over", open, unlicensed)
	}
}

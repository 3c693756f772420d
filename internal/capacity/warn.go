package capacity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
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
	add := func(code, format string, args ...any) {
		p.Warnings = append(p.Warnings, Warning{code, fmt.Sprintf(format, args...)})
	}
	m.warnHotSKU(p, add)
	m.warnPayments(p, add)
	m.warnCommits(p, add)
	m.warnResidency(p, add)
	m.warnConnections(p, add)
	if edge, stack := m.Profile.overheads(); edge > 1 || stack > 1 {
		add("MIXED_LOAD", "a mixed load took %.2f times the processor time that the sum of its requests says at edges and %.2f times at stacks; the plan counts with that", edge, stack)
	}
	if signing := m.signing(); signing >= 0.2 {
		add("SIGN_IN", "hashing passwords is %s of the stacks' work, by the number of sign-ins for each order that is assumed", percent(signing))
	}
	for _, n := range m.names {
		if _, known := m.Prices.region(n); !known {
			add("PRICE_UNKNOWN", "the price table does not know %s; it is priced like the most expensive region that it knows", n)
		}
	}
	add("DATABASE_NOT_MEASURED", "no CockroachDB was measured: its size rests on published benchmarks, see the assumptions; load-test the cluster before you rely on it")
}

type adder func(code, format string, args ...any)

// warnHotSKU compares the best seller's orders with what one row takes: it is locked from its reservation until the
// commit has reached a second region.
func (m *making) warnHotSKU(p *Plan, add adder) {
	var over []string
	normal := m.world(m.names, "")
	for _, r := range p.Regions {
		held := normal.commit[r.Region].Seconds() + m.Assumptions.StatementMs/1000
		most := 1 / held
		asked := r.OrdersPerSecond * m.Assumptions.HotShare
		if asked > most {
			over = append(over, fmt.Sprintf("%s can sell %.0f a second of one variant, %.0f are asked for", r.Region, most, asked))
		}
	}
	if len(over) > 0 {
		add("HOT_SKU", "%s: a stock row is locked until its commit reached the nearest other region; more pods or nodes do not help", strings.Join(over, "; "))
	}
}

// warnPayments compares the orders with what a region's one payment worker does.
func (m *making) warnPayments(p *Plan, add adder) {
	var over []string
	normal := m.world(m.names, "")
	for _, r := range p.Regions {
		write := normal.commit[r.Region].Seconds() + m.Assumptions.StatementMs/1000
		step := write + paymentRounds*(m.Assumptions.ProviderMs/1000+write)
		if most := paymentRounds * float64(m.Assumptions.Payments) / step / paymentSteps; r.OrdersPerSecond > most {
			over = append(over, fmt.Sprintf("%s confirms and captures about %.0f orders a second, %.0f are placed", r.Region, most, r.OrdersPerSecond))
		}
	}
	if len(over) > 0 {
		add("PAYMENT_WORKER", "%s: one worker of a region holds its lease and works on %d payments at a time; beyond that orders are accepted and wait for payment until the peak is over: raise payment.concurrency, and say so with --payment-concurrency",
			strings.Join(over, "; "), m.Assumptions.Payments)
	}
}

// warnCommits says where commits take longer with a region lost.
func (m *making) warnCommits(p *Plan, add adder) {
	normal := m.world(m.names, "")
	for _, l := range p.Losses {
		for _, s := range l.Others {
			before := float64(normal.commit[s.Region].Microseconds()) / 1000
			if s.CommitMillis > before && before > 0 {
				add("SLOWER_COMMITS", "with %s lost, a commit in %s takes %.0f ms instead of %.0f: its quorum is further away", l.Region, s.Region, s.CommitMillis, before)
			}
		}
	}
}

// warnResidency says whose users nobody may serve.
func (m *making) warnResidency(p *Plan, add adder) {
	for _, l := range p.Losses {
		if l.Unserved > 0 {
			add("RESIDENCY", "with %s lost, %.1f orders a second are refused: its residency group is strict and has no other region here", l.Region, l.Unserved)
		}
	}
}

// warnConnections says where connections rather than work decide the size, and what an unlicensed cluster would do.
func (m *making) warnConnections(p *Plan, add adder) {
	bound := func(of func(RegionPlan) string) []regions.Name {
		var out []regions.Name
		for _, r := range p.Regions {
			if strings.HasPrefix(of(r), "connections") {
				out = append(out, r.Region)
			}
		}
		return out
	}
	if at := bound(func(r RegionPlan) string { return r.Checkout.Bound }); len(at) > 0 {
		add("POOL", "in %s the checkout pods are as many as it takes to hold connections open while commits wait, %d each; their processors would do with fewer: raise database.max_conns, and say so with --max-conns", list(at), m.Assumptions.ConnsPerPod)
	}
	if at := bound(func(r RegionPlan) string { return r.Database.Bound }); len(at) > 0 {
		add("DATABASE_CONNECTIONS", "in %s the database is as large as %.0f connections for each vCPU ask for; its work would do with less", list(at), m.Assumptions.ConnsPerVCPU)
	}
	normal := m.world(m.names, "")
	served, _ := normal.loads(m.homes, m.names)
	at := 0.0
	for _, n := range m.names {
		at += m.need(normal, n, served).connections
	}
	const unlicensed = 5
	if at > unlicensed {
		add("LICENSE", "about %.0f transactions are open at a time; a CockroachDB cluster without a license key lets %d run at a time once its grace period of seven days is over", at, unlicensed)
	}
}

func list(names []regions.Name) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	return strings.Join(slices.Compact(out), ", ")
}

// signing is the part of the stacks' work that is hashing passwords.
func (m *making) signing() float64 {
	all := load{requests: map[Request]float64{}}
	for _, n := range m.names {
		all = all.plus(m.homes[n])
	}
	stack := func(c Cost) float64 { return c.StackMicros }
	return all.sum(m.Profile, stack, SignIn, SignUp) / all.sum(m.Profile, stack)
}

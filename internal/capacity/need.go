package capacity

import (
	"slices"

	"github.com/meridian-commerce/meridian/regions"
)

// need is what one region needs in one world, in units that things come in. What it needs is all in use then: how
// much more is planned is the business of size.
type need struct {
	edge, browse, checkout float64 // vCPU
	connections            float64 // into the database, in use at a time
	database               float64 // vCPU
}

// The kinds of requests that the browse pods serve (targets account and catalog); the checkout pods serve the others
// (cart and order), and what follows from an order counts as theirs although the worker pods do it.
var browsing = []Request{SignUp, SignIn, ListProducts, GetProduct, SearchProducts}

// overhead is how much more a mixed load took than the sum of its requests, by the profile's check; never less than 1.
func overhead(measured, predicted float64) float64 {
	if predicted <= 0 {
		return 1
	}
	return max(1, measured/predicted)
}

// overheads returns the overhead of edges and stacks.
func (p Profile) overheads() (edge, stack float64) {
	return overhead(p.Check.EdgeMeasured, p.Check.EdgePredicted), overhead(p.Check.StackMeasured, p.Check.StackPredicted)
}

// held returns for how many seconds a transaction that writes in a region holds its connection and its rows' locks.
func (in Input) held(w world, name regions.Name) float64 {
	return w.commit[name].Seconds() + in.Assumptions.StatementMs/1000
}

// need returns what a region needs for what it serves.
func (in Input) need(w world, name regions.Name) need {
	const micro = 1e-6
	p := in.Profile
	a := in.Assumptions
	l := w.served[name]
	checkout := slices.DeleteFunc(Requests(), func(r Request) bool { return slices.Contains(browsing, r) })
	stack := func(c Cost) float64 { return c.StackMicros * micro }
	edgeOverhead, stackOverhead := p.overheads()
	commit := in.held(w, name)
	return need{
		edge:     l.sum(p, func(c Cost) float64 { return c.EdgeMicros * micro }) * edgeOverhead,
		browse:   l.sum(p, stack, browsing...) * stackOverhead,
		checkout: l.sum(p, stack, checkout...) * stackOverhead,
		connections: l.sum(p, func(c Cost) float64 {
			return min(c.Writing, c.Transactions)*commit + max(0, c.Transactions-c.Writing)*a.StatementMs/1000
		}),
		database: in.database(w, name),
	}
}

// database returns the vCPU that a region's database nodes need. Half of the work for a row written is done where
// its lease is, the other half by its copies: two of five where the lease is and the others in the other live regions
// evenly. The published figure is of three copies.
func (in Input) database(w world, name regions.Name) float64 {
	a := in.Assumptions
	const lease, publishedCopies = 0.5, 3
	copies := (1 - lease) * float64(a.CopiesOfRow) / publishedCopies
	home := lease + copies
	away := 0.0
	if others := len(w.live) - 1; others > 0 {
		home = lease + copies*2/5
		away = copies * 3 / 5 / float64(others)
	}
	vcpu := 0.0
	for _, n := range w.live {
		rows := w.served[n].sum(in.Profile, func(c Cost) float64 { return c.RowsWritten })
		part := away
		if n == name {
			part = home
			reads := w.served[n].sum(in.Profile, func(c Cost) float64 { return max(0, c.Transactions-c.Writing) })
			vcpu += reads / a.ReadsPerVCPU
		}
		vcpu += rows * part / a.RowsPerVCPU
	}
	return vcpu
}

// cached returns the bytes that a region's cache holds: the whole catalog.
func (in Input) cached() float64 {
	return float64(in.Assumptions.Products) * in.Profile.Cache["product"].BytesPerKey
}

package bench

import (
	"context"
	"maps"
	"slices"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
)

// journeys describes the load generator's journeys by what they ask for. An arrival whose shopper has no order yet
// looks at the cart instead; a tenth of the orders are sent once more, to compare the answers, and do not count.
func journeys() []capacity.Journey {
	asks := map[load.Journey]map[capacity.Request]float64{
		load.Browse:    {capacity.ListProducts: 1},
		load.ViewItem:  {capacity.GetProduct: 1},
		load.Search:    {capacity.SearchProducts: 1},
		load.ViewCart:  {capacity.GetCart: 1},
		load.EditCart:  {capacity.SetItem: 1},
		load.Checkout:  {capacity.SetItem: 1.5, capacity.PlaceOrder: 1},
		load.ViewOrder: {capacity.GetOrder: 1},
		load.WatchItem: {capacity.WatchOrder: 1},
	}
	var out []capacity.Journey
	for _, j := range slices.Sorted(maps.Keys(asks)) {
		out = append(out, capacity.Journey{Name: j.String(), Weight: j.Weight(), Requests: asks[j]})
	}
	return out
}

// check puts the load generator's mix on the simulation, and compares what the costs say of it with what the processes use.
func (m *measurement) check(ctx context.Context, net load.Access, costs map[capacity.Request]capacity.Cost) (capacity.Check, error) {
	h := &history.History{}
	l, err := load.New(ctx, load.Config{
		Seed: m.cfg.Seed, Rate: m.cfg.Rate, Duration: m.cfg.Mixed, Shoppers: m.cfg.People, Hour: load.HourOf(m.cfg.Seed),
		Cities: internet.Cities(), Access: net, History: h,
	})
	if err != nil {
		return capacity.Check{}, err
	}
	before := len(h.Ops())
	used, took, err := m.around(ctx, func(ctx context.Context) error {
		if _, err := l.Run(ctx); err != nil {
			return err
		}
		return m.settle(ctx)
	})
	if err != nil {
		return capacity.Check{}, err
	}
	c := capacity.Check{
		Seconds:      tenth(took.Seconds()),
		EdgeMeasured: hundredth(used.EdgeMicros / 1e6), StackMeasured: hundredth(used.StackMicros / 1e6),
	}
	predicted := plus(capacity.Cost{}, m.idle, took.Seconds())
	for _, op := range h.Ops()[before:] {
		kind, ok := requestOf(op)
		if !ok {
			continue
		}
		c.Requests++
		predicted = plus(predicted, costs[kind], 1)
	}
	c.EdgePredicted = hundredth(predicted.EdgeMicros / 1e6)
	c.StackPredicted = hundredth(predicted.StackMicros / 1e6)
	return c, nil
}

// requestOf returns the kind of request that an operation is. A repeated order is answered from what the first one
// left, like any other look at an order.
func requestOf(op history.Op) (capacity.Request, bool) {
	switch {
	case op.Kind == history.WatchMessage:
		return "", false
	case op.Kind == history.PlaceOrder && (op.Replay || op.Outcome != history.OK):
		return capacity.GetOrder, true
	default:
		return capacity.Request(op.Kind), true
	}
}

// Package ordermetrics counts what an order store does, around it.
package ordermetrics

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/order"
)

// store counts the orders that a store places.
type store struct {
	order.Store
	placed  *prometheus.CounterVec
	value   *prometheus.CounterVec
	refused *prometheus.CounterVec
}

// New returns a store that counts what s places, and what it refuses. An order whose key is repeated counts
// once, and so does one whose outcome was not known at first and turns out to be placed. It fails where its metrics
// are registered already.
func New(s order.Store, registry prometheus.Registerer) (order.Store, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "meridian", Subsystem: "orders", Name: name, Help: help}, labels)
	}
	m := &store{
		Store:   s,
		placed:  counter("placed_total", "Orders placed.", "home", "currency"),
		value:   counter("placed_minor_units_total", "What the placed orders cost, in the minor units of their currency.", "home", "currency"),
		refused: counter("refused_total", "Orders that could not be placed, by reason.", "home", "reason"),
	}
	for _, c := range []prometheus.Collector{m.placed, m.value, m.refused} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("ordermetrics: register metrics: %w", err)
		}
	}
	return m, nil
}

// Place implements order.Store.
func (m *store) Place(ctx context.Context, p order.Placement) (order.Order, error) {
	o, err := m.Store.Place(ctx, p)
	m.count(p, o, err)
	return o, err
}

// Placed implements order.Store.
func (m *store) Placed(ctx context.Context, p order.Placement) (order.Order, error) {
	o, err := m.Store.Placed(ctx, p)
	if err == nil { // that it is not found yet says nothing
		m.count(p, o, nil)
	}
	return o, err
}

func (m *store) count(p order.Placement, o order.Order, err error) {
	var f *fault.Error
	switch {
	case err == nil && o.ID == p.ID: // and not that of an earlier request with the key
		m.placed.WithLabelValues(string(p.Home), string(o.Total.Currency)).Inc()
		m.value.WithLabelValues(string(p.Home), string(o.Total.Currency)).Add(float64(o.Total.Minor))
	case errors.As(err, &f) && f.Kind != fault.Ambiguous:
		m.refused.WithLabelValues(string(p.Home), f.Reason).Inc()
	}
}

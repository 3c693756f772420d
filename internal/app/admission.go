package app

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/admission"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/regions"
)

// buildGate makes the gate that stands before the edge, and believes of a request what the edge does.
func (p *process) buildGate(set *regions.Set, e *edge.Edge) (*admission.Gate, error) {
	c := p.config
	limits := c.Admission
	limits.Region = c.Region
	limits.Regions = set.Names()
	limits.Redis = c.Redis
	gate, err := admission.New(limits, admission.Deps{
		Call: e.CallOf, MaxBody: maxBody, Metrics: p.telemetry.Metrics, Logger: p.telemetry.Logger,
	})
	if err != nil {
		return nil, unusable(err)
	}
	p.closers.add(func(context.Context) error { return gate.Close() })
	p.background = append(p.background, gate.Run)
	return gate, nil
}

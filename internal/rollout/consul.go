package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/regions"
)

// Agent is how the Consul of a region is reached.
type Agent struct {
	Region     regions.Name
	Address    string       // host:port or https://host:port
	Datacenter regions.Name // to name to it; "" for the agent's own
}

// Consul is a Fleet by the Consul of each region.
type Consul struct {
	agents []agent
}

type agent struct {
	Agent
	operator *discovery.Operator
}

// NewConsul returns a fleet of the regions that have an agent.
func NewConsul(list []Agent) (*Consul, error) {
	c := &Consul{}
	for _, a := range list {
		operator, err := discovery.NewOperator(a.Address)
		if err != nil {
			return nil, err
		}
		c.agents = append(c.agents, agent{a, operator})
	}
	return c, nil
}

// Drain implements Fleet. Its error is of every region whose edges could not be notified.
func (c *Consul) Drain(ctx context.Context, region regions.Name, until time.Time, reason string) error {
	d := discovery.Drain{Since: time.Now().UTC().Truncate(time.Second), Until: until.UTC().Truncate(time.Second), Reason: reason}
	return c.tell(func(a agent) error { return a.operator.Drain(ctx, a.Datacenter, region, d) })
}

// Undrain implements Fleet. Its error is of every region whose edges could not be notified.
func (c *Consul) Undrain(ctx context.Context, region regions.Name) error {
	return c.tell(func(a agent) error { return a.operator.Undrain(ctx, a.Datacenter, region) })
}

func (c *Consul) tell(one func(agent) error) error {
	var failed error
	for _, a := range c.agents {
		if err := one(a); err != nil {
			failed = errors.Join(failed, fmt.Errorf("the edges of %s are not notified: %w", a.Region, err))
		}
	}
	return failed
}

// Standing implements Fleet: the instances that the region's own Consul lists, and the longest drain that the edges of
// any region are notified of.
func (c *Consul) Standing(ctx context.Context, region regions.Name) (Standing, error) {
	var s Standing
	found := false
	for _, a := range c.agents {
		said, _, err := a.operator.Controls(ctx, a.Datacenter)
		if err != nil {
			return Standing{}, err
		}
		if d := said[region].Drain; d.Until.After(s.DrainedUntil) {
			s.DrainedUntil = d.Until
			s.Reason = d.Reason
		}
		if a.Region != region {
			continue
		}
		found = true
		if s.Healthy, s.Total, err = a.operator.Instances(ctx, a.Datacenter); err != nil {
			return Standing{}, err
		}
	}
	if !found {
		return Standing{}, fmt.Errorf("rollout: no Consul is known for %s", region)
	}
	return s, nil
}

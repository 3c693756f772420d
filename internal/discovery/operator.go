package discovery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/consul/api"

	"github.com/meridian-commerce/meridian/regions"
)

// Operator writes and reads what operators say, through one Consul agent. It is safe for concurrent use.
type Operator struct {
	client *api.Client
}

// NewOperator returns an operator at a Consul agent, host:port or https://host:port.
func NewOperator(agent string) (*Operator, error) {
	client, err := newConsulClient(agent, nil)
	if err != nil {
		return nil, err
	}
	return &Operator{client}, nil
}

// Drain tells the edges of one region (the agent's own if it is "") that a region is drained.
func (o *Operator) Drain(ctx context.Context, edges, drained regions.Name, d Drain) error {
	if lasts := d.Until.Sub(d.Since); lasts < MinDrain || lasts > MaxDrain {
		return fmt.Errorf("discovery: a drain lasts %s to %s, not %s", MinDrain, MaxDrain, lasts)
	}
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("discovery: write drain: %w", err)
	}
	return o.tell(ctx, edges, func(w *api.WriteOptions) (*api.WriteMeta, error) {
		return o.client.KV().Put(&api.KVPair{Key: drainPrefix + string(drained), Value: value}, w)
	})
}

// Undrain tells the edges of one region that a region takes requests again.
func (o *Operator) Undrain(ctx context.Context, edges, drained regions.Name) error {
	return o.tell(ctx, edges, func(w *api.WriteOptions) (*api.WriteMeta, error) {
		return o.client.KV().Delete(drainPrefix+string(drained), w)
	})
}

func (o *Operator) tell(ctx context.Context, edges regions.Name, write func(*api.WriteOptions) (*api.WriteMeta, error)) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if _, err := write((&api.WriteOptions{Datacenter: string(edges)}).WithContext(ctx)); err != nil {
		return fmt.Errorf("discovery: tell the edges of %s: %w", edges, err)
	}
	return nil
}

// Controls returns what the edges of one region are told: of every region that something is said about, and the
// keys whose values make no sense.
func (o *Operator) Controls(ctx context.Context, edges regions.Name) (said map[regions.Name]Control, bad []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	said, bad, _, err = readControls(o.client, (&api.QueryOptions{Datacenter: string(edges)}).WithContext(ctx))
	if err != nil {
		return nil, nil, fmt.Errorf("discovery: ask what the edges of %s are told: %w", edges, err)
	}
	return said, bad, nil
}

// Process is a stack or an edge that a Consul lists.
type Process struct {
	ID, Service string
	Passing     bool // its check
	Metadata    map[string]string
}

// Processes lists the stacks and the edges that one region's Consul knows (the agent's own if it is ""), whether they pass
// their check or not.
func (o *Operator) Processes(ctx context.Context, of regions.Name) ([]Process, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var out []Process
	for _, service := range []string{ServiceName, EdgeServiceName} {
		entries, _, err := o.client.Health().Service(service, "", false, (&api.QueryOptions{Datacenter: string(of)}).WithContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("discovery: list the processes of %s: %w", of, err)
		}
		for _, e := range entries {
			out = append(out, Process{
				ID: e.Service.ID, Service: service, Passing: e.Checks.AggregatedStatus() == api.HealthPassing, Metadata: e.Service.Meta,
			})
		}
	}
	return out, nil
}

// Instances counts the stacks that one region's Consul lists (the agent's own if it is ""), and those of them that pass
// every check.
func (o *Operator) Instances(ctx context.Context, of regions.Name) (healthy, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	entries, _, err := o.client.Health().Service(ServiceName, "", false, (&api.QueryOptions{Datacenter: string(of)}).WithContext(ctx))
	if err != nil {
		return 0, 0, fmt.Errorf("discovery: list the instances of %s: %w", of, err)
	}
	for _, e := range entries {
		if e.Checks.AggregatedStatus() == api.HealthPassing {
			healthy++
		}
	}
	return healthy, len(entries), nil
}

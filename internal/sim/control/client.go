package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

// ErrNoSimulation says that nothing answers at a simulation's control address.
var ErrNoSimulation = errors.New("no simulation runs there")

// Client talks to a running simulation. It is safe for concurrent use.
type Client struct{ base string }

// NewClient returns a client of the simulation whose control address is host:port.
func NewClient(addr string) *Client { return &Client{base: "http://" + addr} }

// Status returns the simulation's status.
func (c *Client) Status(ctx context.Context) (cluster.Status, error) {
	var s cluster.Status
	return s, c.call(ctx, http.MethodGet, "/api/status", nil, &s)
}

// Kill kills a target.
func (c *Client) Kill(ctx context.Context, target string) (cluster.FaultReport, error) {
	var r cluster.FaultReport
	return r, c.call(ctx, http.MethodPost, "/api/kill?"+url.Values{"target": {target}}.Encode(), nil, &r)
}

// Break puts a fault on the simulation.
func (c *Client) Break(ctx context.Context, f cluster.Fault) (cluster.FaultReport, error) {
	var r cluster.FaultReport
	body, err := json.Marshal(f)
	if err != nil {
		return r, fmt.Errorf("control: %w", err)
	}
	return r, c.call(ctx, http.MethodPost, "/api/break", body, &r)
}

// Heal heals a target; it returns when all of it is ready.
func (c *Client) Heal(ctx context.Context, target string) error {
	return c.call(ctx, http.MethodPost, "/api/heal?"+url.Values{"target": {target}}.Encode(), nil, nil)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w (%s); `meridian-sim up` starts one: %w", ErrNoSimulation, c.base, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(res.Body).Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("control: %s answers %s", c.base, res.Status)
		}
		return errors.New(f.Error)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("control: %s is not a simulation: %w", c.base, err)
	}
	return nil
}

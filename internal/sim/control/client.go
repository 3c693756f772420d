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
	return call[cluster.Status](ctx, c, http.MethodGet, "/api/status", nil)
}

// Kill kills a target.
func (c *Client) Kill(ctx context.Context, target string) (cluster.FaultReport, error) {
	return call[cluster.FaultReport](ctx, c, http.MethodPost, "/api/kill?target="+url.QueryEscape(target), nil)
}

// Break puts a fault on the simulation.
func (c *Client) Break(ctx context.Context, f cluster.Fault) (cluster.FaultReport, error) {
	return call[cluster.FaultReport](ctx, c, http.MethodPost, "/api/break", f)
}

// Heal heals a target; it returns when all of it is ready.
func (c *Client) Heal(ctx context.Context, target string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/api/heal?target="+url.QueryEscape(target), nil)
	return err
}

func call[T any](ctx context.Context, c *Client, method, path string, question any) (answer T, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer, fmt.Errorf("control: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer, fmt.Errorf("control: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, fmt.Errorf("%w (%s); `meridian-sim up` starts one: %w", ErrNoSimulation, c.base, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(res.Body).Decode(&f); err != nil || f.Error == "" {
			return answer, fmt.Errorf("control: %s answers %s", c.base, res.Status)
		}
		return answer, errors.New(f.Error)
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("control: %s is not a simulation: %w", c.base, err)
	}
	return answer, nil
}

package internet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

// caller is one caller's access to the internet.
type caller struct {
	net     *Internet
	access  *access
	address netip.Addr
}

// Caller returns how a caller in a city, at an address, sends requests: they enter at the nearest announced
// edge, over connections that callers of the same city share. The error says that there is no such city.
func (n *Internet) Caller(city string, address netip.Addr) (http.RoundTripper, error) {
	a, ok := n.cities[city]
	if !ok {
		return nil, fmt.Errorf("internet: no city is called %q", city)
	}
	return &caller{net: n, access: a, address: address}, nil
}

// RoundTrip implements http.RoundTripper. The URL's host is ignored; the internet, being the content
// delivery network in front of the edges, states the caller's address and country.
func (c *caller) RoundTrip(req *http.Request) (*http.Response, error) {
	e, err := c.net.entry(c.access)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL.Scheme = "http"
	out.URL.Host = e.Addr
	out.Header.Set("X-Forwarded-For", c.address.String())
	out.Header.Set("CF-IPCountry", c.access.Place.Country)
	return c.access.transport.RoundTrip(out)
}

func (n *Internet) connect(ctx context.Context, a *access, e *edge) (net.Conn, error) {
	c, err := dial(ctx, e.Addr, a.rtt(e), func(c *conn) {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(e.conns, c)
	})
	if err != nil {
		return nil, fmt.Errorf("internet: connect to %s: %w", e.Region, err)
	}
	n.mu.Lock()
	reached := n.announced(e.Region, a.lag) || e.keeps
	select {
	case <-c.done: // and was taken off the list already
	default:
		if reached {
			e.conns[c] = struct{}{}
		}
	}
	n.mu.Unlock()
	if !reached {
		c.reset()
	}
	return c, nil
}

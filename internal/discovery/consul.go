package discovery

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/meridian-commerce/meridian/regions"
)

// What processes register as. Edges find stacks by it; only operators look for edges.
const (
	ServiceName     = "meridian" // stacks
	EdgeServiceName = "meridian-edge"
)

const (
	metaRegion = "region"
	metaTarget = "target"
	metaAdmin  = "admin_port"

	blockFor     = 10 * time.Second // how long Consul holds a query open when nothing changes
	queryTimeout = 2 * time.Second  // on top of it; also for queries that do not block
)

// registered is one instance as Consul lists it, with the address that it advertises.
type registered struct {
	id, addr, target string
}

// directory lists the instances of a region. index is that of the last answer, 0 for none: with it the call
// blocks until something changed or a while passed. A directory is safe for concurrent use.
type directory interface {
	list(ctx context.Context, region regions.Name, index uint64) ([]registered, uint64, error)
}

// consulDirectory asks one Consul agent, for its own datacenter or another one.
type consulDirectory struct {
	client  *api.Client
	crossDC bool // ask for the datacenter of the region's name, without blocking
}

// newConsulClient returns a client of the agent or server at addr, host:port, or https://host:port for TLS. The rest,
// such as an ACL token (CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE) and authorities (CONSUL_CACERT), comes from the
// environment variables that Consul documents for all its clients. A nil dial is over the network.
func newConsulClient(addr string, dial Dial) (*api.Client, error) {
	if _, _, err := net.SplitHostPort(strings.TrimPrefix(addr, "https://")); err != nil {
		return nil, fmt.Errorf("discovery: Consul's address %q is neither host:port nor https://host:port: %w", addr, err)
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: queryTimeout}).DialContext
	}
	client, err := api.NewClient(&api.Config{
		Address: addr,
		Scheme:  "http", // of an address that has none
		Transport: &http.Transport{
			DialContext:         dial,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     time.Minute,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("discovery: Consul client for %s: %w", addr, err)
	}
	return client, nil
}

// blocking returns a query to a datacenter, "" for the agent's own. With an index that is not 0 Consul holds it open until
// something changed or a while passed.
func blocking(ctx context.Context, datacenter regions.Name, index uint64) (*api.QueryOptions, context.CancelFunc) {
	q := &api.QueryOptions{AllowStale: true, Datacenter: string(datacenter)}
	limit := queryTimeout
	if index > 0 {
		q.WaitIndex = index
		q.WaitTime = blockFor
		limit += blockFor + blockFor/16 // Consul adds up to a sixteenth of jitter
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return q.WithContext(ctx), cancel
}

func (d *consulDirectory) list(ctx context.Context, region regions.Name, index uint64) ([]registered, uint64, error) {
	var datacenter regions.Name
	if d.crossDC {
		datacenter = region
		index = 0
	}
	q, cancel := blocking(ctx, datacenter, index)
	defer cancel()
	entries, meta, err := d.client.Health().Service(ServiceName, "", false, q)
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: list %s of %s: %w", ServiceName, region, err)
	}
	out := make([]registered, 0, len(entries))
	for _, e := range entries {
		if r := e.Service.Meta[metaRegion]; r != "" && r != string(region) {
			continue // registered with the wrong region's agent
		}
		host := e.Service.Address
		if host == "" {
			host = e.Node.Address
		}
		out = append(out, registered{
			id:     e.Service.ID,
			addr:   net.JoinHostPort(host, strconv.Itoa(e.Service.Port)),
			target: e.Service.Meta[metaTarget],
		})
	}
	return out, meta.LastIndex, nil
}

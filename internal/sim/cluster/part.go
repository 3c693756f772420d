package cluster

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// kind is what a part is.
type kind string

const (
	kindConsul   kind = "consul"
	kindRedis    kind = "redis"
	kindBus      kind = "bus"
	kindGateway  kind = "gateway"
	kindStack    kind = "stack"
	kindEdge     kind = "edge"
	kindProvider kind = "provider"
)

// base reports whether others need the part in order to start.
func (k kind) base() bool { return k != kindStack && k != kindEdge }

// part is a process of the simulation, running or not.
type part struct {
	name   string       // also its target, such as eu-west-1/redis
	region regions.Name // empty: outside of every region
	kind   kind
	spec   proc.Spec
	remote string // where other regions call it, host:port; empty: they do not
	ready  func(ctx context.Context) error

	admin  string          // of stacks and edges: where metrics are, host:port
	config func() settings // of stacks and edges: what their configuration file says

	flap atomic.Pointer[flap] // nil: it does not flap
}

// allParts lists every part but the database.
func (c *Cluster) allParts() []*part {
	var parts []*part
	if !c.opts.bare {
		parts = append(parts, c.provider())
	}
	for _, r := range c.plan.Regions {
		parts = append(parts, c.consul(r), c.redis(r), c.bus(r), c.gateway(r))
		if !c.opts.bare {
			for i := range r.Stacks {
				parts = append(parts, c.stack(r, i))
			}
			parts = append(parts, c.edge(r))
		}
	}
	return parts
}

// part is one of a region, or of none, that runs a program.
func (c *Cluster) part(region regions.Name, k kind, name, program string, args ...string) *part {
	if region != "" {
		name = string(region) + "/" + cmp.Or(name, string(k))
	}
	return &part{
		name: name, region: region, kind: k,
		spec: proc.Spec{Name: name, Path: program, Args: args, Env: environment(), Dir: c.state.path, Log: c.log(name)},
	}
}

// environment is this process's, without the variables that would configure a Meridian process.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "MERIDIAN_") })
}

// consul is a data center of one server, joined to the others.
func (c *Cluster) consul(r topology.Region) *part {
	others := []string{} // not nil: Consul takes JSON's null for a text
	for _, o := range c.plan.Regions {
		if o.Number != r.Number {
			others = append(others, o.Host)
		}
	}
	config, _ := json.Marshal(map[string]any{ // strings and numbers are JSON
		"server": true, "bootstrap_expect": 1, "datacenter": r.Name, "node_name": "consul-" + string(r.Name),
		"data_dir":  filepath.Join(c.state.path, "consul", string(r.Name)),
		"bind_addr": r.Host, "client_addr": r.Host, "advertise_addr": r.Host, "advertise_addr_wan": r.Host,
		"retry_join_wan": others, "retry_interval_wan": "1s", "retry_interval": "1s",
		"ports":       map[string]int{"dns": -1, "grpc": -1, "grpc_tls": -1},
		"performance": map[string]int{"raft_multiplier": 1},
		"log_level":   "warn", "disable_update_check": true, "check_update_interval": "1s",
		"leave_on_terminate": false, "skip_leave_on_interrupt": true,
	})
	p := c.part(r.Name, kindConsul, "", c.tools.consul, "agent", "-hcl="+string(config))
	p.remote = r.Consul
	p.ready = func(ctx context.Context) error { return hasLeader(ctx, r.Consul) }
	return p
}

func (c *Cluster) redis(r topology.Region) *part {
	host, port, _ := net.SplitHostPort(r.Redis) // the plan's own
	p := c.part(r.Name, kindRedis, "", c.tools.redis, "--bind", host, "--port", port, "--save", "", "--appendonly", "no",
		"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", "--daemonize", "no", "--loglevel", "warning",
		"--databases", "1", "--dir", c.state.path)
	p.ready = func(ctx context.Context) error { return pong(ctx, r.Redis) }
	return p
}

func (c *Cluster) bus(r topology.Region) *part {
	p := c.part(r.Name, kindBus, "", c.tools.simulator, "bus", "--listen", r.Bus)
	p.ready = func(ctx context.Context) error { return accepts(ctx, r.Bus) }
	return p
}

func (c *Cluster) gateway(r topology.Region) *part {
	p := c.part(r.Name, kindGateway, "", c.tools.simulator, "gateway", "--listen", r.Gateway, "--to", c.plan.Database, "--lose-commits", strconv.Itoa(c.opts.LoseCommits))
	p.ready = func(ctx context.Context) error { return accepts(ctx, r.Gateway) }
	return p
}

// accepts probes that something listens.
func accepts(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// pong probes that Redis answers.
func pong(ctx context.Context, addr string) error {
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	return errors.Join(client.Ping(ctx).Err(), client.Close())
}

// hasLeader probes that a Consul can take registrations.
func hasLeader(ctx context.Context, addr string) error {
	var leader string
	if err := fetch(ctx, "http://"+addr+"/v1/status/leader", &leader); err != nil {
		return err
	}
	if leader == "" {
		return errors.New("no leader yet")
	}
	return nil
}

// healthy probes a Meridian process's readiness.
func healthy(ctx context.Context, admin string) error {
	return fetch(ctx, "http://"+admin+"/readyz", nil)
}

// fetch gets a URL, and decodes its JSON into v unless that is nil.
func fetch(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		line, _ := bufio.NewReader(res.Body).ReadString('\n') // what it says is a courtesy
		return fmt.Errorf("%s: %s %s", url, res.Status, strings.TrimSpace(line))
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(v)
}

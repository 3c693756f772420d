// Package topology plans the addresses of a simulation: who listens where. It is pure arithmetic over the
// region catalog, so that every part of the simulator, and a person with curl, finds the others.
//
// Region number r of the catalog (its loopback subnet is 127.0.r.0/24) owns 127.net.r.0/24, where net is
// the simulation's offset: two simulations with different offsets share no address. Traffic from region a to
// region b crosses the WAN: it is sent to 127.net.(16·a+b).x instead of 127.net.b.x, and toxiproxy carries it
// there with the declared round trip, as a transit gateway with one-to-one address translation would.
package topology

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/meridian-commerce/meridian/regions"
)

// ErrOffset says that a network offset is not 0 to 250.
var ErrOffset = errors.New("topology: the network offset is 0 to 250")

// Fixed last bytes and ports inside a region's subnet.
const (
	consulHost, redisHost, gatewayHost, busHost, edgeHost, firstStackHost = 1, 2, 3, 4, 10, 11

	consulPort, redisPort, gatewayPort, busPort, httpPort, adminPort = 8500, 6379, 26257, 9092, 8080, 9090
)

// Plan is the address plan of one simulation. It never changes.
type Plan struct {
	Net      int
	Catalog  *regions.Set
	Regions  []Region
	Database string // PostgreSQL itself; only gateways connect to it
	Provider string // the payment provider, outside every region
	// ProviderAdmin is the provider's admin listener.
	ProviderAdmin string
	Control       string // the simulator's own HTTP endpoint: control API and console
}

// Region is the address plan of one region. Every address is host:port.
type Region struct {
	Name      regions.Name
	Number    int    // the third byte of its subnet
	Host      string // Consul's host; its other ports are Consul's defaults
	Consul    string // HTTP API
	Redis     string
	Gateway   string // the region's way into the database
	Bus       string // Kafka
	Edge      string
	EdgeAdmin string
	Stacks    []Stack
}

// Stack is the address plan of one stack instance.
type Stack struct {
	Name  string // such as eu-west-1-stack-1
	Addr  string // API
	Admin string // metrics, health
}

// New plans a simulation at a network offset with so many stacks in each region.
func New(c *regions.Set, offset, stacks int) (*Plan, error) {
	if offset < 0 || offset > 250 {
		return nil, fmt.Errorf("%w, not %d", ErrOffset, offset)
	}
	if stacks < 1 || stacks > 9 {
		return nil, fmt.Errorf("topology: a region has 1 to 9 stacks, not %d", stacks)
	}
	p := &Plan{Net: offset, Catalog: c}
	for _, r := range c.All() {
		p.Regions = append(p.Regions, p.region(r, stacks))
	}
	p.Database = p.addr(0, 4, 5432)
	p.Provider = p.addr(0, 2, 8080)
	p.ProviderAdmin = p.addr(0, 2, adminPort)
	p.Control = p.addr(0, 3, 7070)
	return p, nil
}

func (p *Plan) region(r regions.Region, stacks int) Region {
	n := int(r.Loopback.Addr().As4()[2])
	out := Region{
		Name: r.Name, Number: n,
		Host:      p.host(n, consulHost),
		Consul:    p.addr(n, consulHost, consulPort),
		Redis:     p.addr(n, redisHost, redisPort),
		Gateway:   p.addr(n, gatewayHost, gatewayPort),
		Bus:       p.addr(n, busHost, busPort),
		Edge:      p.addr(n, edgeHost, httpPort),
		EdgeAdmin: p.addr(n, edgeHost, adminPort),
	}
	for i := range stacks {
		out.Stacks = append(out.Stacks, Stack{
			Name:  fmt.Sprintf("%s-stack-%d", r.Name, i+1),
			Addr:  p.addr(n, firstStackHost+i, httpPort),
			Admin: p.addr(n, firstStackHost+i, adminPort),
		})
	}
	return out
}

// Lookup returns the plan of one region.
func (p *Plan) Lookup(n regions.Name) (Region, bool) {
	for _, r := range p.Regions {
		if r.Name == n {
			return r, true
		}
	}
	return Region{}, false
}

// Across returns the address at which region from reaches addr of region to: addr itself at home, its WAN
// address otherwise.
func (p *Plan) Across(from, to Region, addr string) string {
	if from.Number == to.Number {
		return addr
	}
	ap := netip.MustParseAddrPort(addr)
	b := ap.Addr().As4()
	b[2] = byte(16*from.Number + to.Number)
	return netip.AddrPortFrom(netip.AddrFrom4(b), ap.Port()).String()
}

// NAT returns the address translations of a region's egress, each as real=translated subnets.
func (p *Plan) NAT(from Region) []string {
	var out []string
	for _, to := range p.Regions {
		if to.Number != from.Number {
			out = append(out, fmt.Sprintf("127.%d.%d.0/24=127.%d.%d.0/24", p.Net, to.Number, p.Net, 16*from.Number+to.Number))
		}
	}
	return out
}

func (p *Plan) host(third, last int) string { return fmt.Sprintf("127.%d.%d.%d", p.Net, third, last) }

func (p *Plan) addr(third, last, port int) string {
	return net.JoinHostPort(p.host(third, last), fmt.Sprint(port))
}

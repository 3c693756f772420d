// Package compose renders the Compose files that run every region of the catalog in containers:
// docker-compose.multiregion.yml on CockroachDB, and an override of it on PostgreSQL. Both are a pure function of the
// catalog: one catalog gives one text.
package compose

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed *.tmpl
var templates embed.FS

// files maps each template to the file that it renders.
func files() [][2]string {
	return [][2]string{
		{"compose.yml.tmpl", "docker-compose.multiregion.yml"},
		{"postgres.yml.tmpl", "deploy/compose/postgres.yml"},
		{"prometheus.yml.tmpl", "deploy/compose/prometheus.yml"},
	}
}

// Render returns the Compose files of a catalog, and the Prometheus configuration that scrapes what they run. The
// error names a region that cannot be rendered.
func Render(c *regions.Set) ([]deploy.File, error) {
	p, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"address": newAddress}).ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("compose: templates: %w", err)
	}
	var out []deploy.File
	for _, f := range files() {
		var text bytes.Buffer
		if err := t.ExecuteTemplate(&text, f[0], p); err != nil {
			return nil, fmt.Errorf("compose: render %s: %w", f[1], err)
		}
		out = append(out, deploy.File{Path: f[1], Content: text.Bytes()})
	}
	return out, nil
}

// How many of each a region has.
const (
	databaseNodes = 3
	stacks        = 2
)

// plan is what the templates read.
type plan struct {
	Regions []region
	Nodes   []int // numbers of the database nodes of a region
	Stacks  []int // numbers of the stacks of a region
}

// region is one region's part of the address plan: its own network is 10.77.<number>.0/24, and its part of the wide
// area network 10.78.<number>.0/24.
type region struct {
	Name   regions.Name
	Code   regions.Code
	Number int
	Zones  []string
	Delays []delay
}

// delay is how much later what this region sends arrives at another one: half of the round trip.
type delay struct {
	To     string // the other region's part of the wide area network
	OneWay time.Duration
}

var errZones = errors.New("compose: a region needs a zone for each of its database nodes")

func newPlan(c *regions.Set) (*plan, error) {
	p := &plan{Nodes: seq(databaseNodes), Stacks: seq(stacks)}
	all := c.All()
	for _, r := range all {
		zones := r.Zones["aws"]
		if len(zones) < databaseNodes {
			return nil, fmt.Errorf("%w: %s has %d", errZones, r.Name, len(zones))
		}
		out := region{Name: r.Name, Code: r.Code, Number: number(r), Zones: zones}
		for _, o := range all {
			if o.Name != r.Name {
				out.Delays = append(out.Delays, delay{To: fmt.Sprintf("10.78.%d.0/24", number(o)), OneWay: c.RTT(r.Name, o.Name) / 2})
			}
		}
		p.Regions = append(p.Regions, out)
	}
	return p, nil
}

// number is the region's number, by which the simulator numbers its addresses too.
func number(r regions.Region) int { return int(r.Loopback.Addr().As4()[2]) }

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// First is the region whose parts there is one of for all: jobs, and PostgreSQL.
func (p *plan) First() region { return p.Regions[0] }

// Join lists the wide area addresses of the first database node of every region.
func (p *plan) Join() string {
	return p.list(func(r region) string { return r.WAN(r.NodeHost(1)) })
}

// EdgeConsul lists every region's Consul, as edges are configured with it.
func (p *plan) EdgeConsul() string {
	return p.list(func(r region) string { return fmt.Sprintf("%s=%s:8500", r.Name, r.WAN(r.ConsulHost())) })
}

func (p *plan) list(of func(region) string) string {
	out := make([]string, len(p.Regions))
	for i, r := range p.Regions {
		out[i] = of(r)
	}
	return strings.Join(out, ",")
}

// Others lists the regions but one.
func (p *plan) Others(than region) []region {
	var out []region
	for _, r := range p.Regions {
		if r.Name != than.Name {
			out = append(out, r)
		}
	}
	return out
}

// Local is an address in the region's own network.
func (r region) Local(host int) string { return fmt.Sprintf("10.77.%d.%d", r.Number, host) }

// WAN is the same host's address in the wide area network.
func (r region) WAN(host int) string { return fmt.Sprintf("10.78.%d.%d", r.Number, host) }

// The last bytes of addresses. Docker has 1, and gives 128 and more to whom none is planned.

// ConsulHost is Consul's.
func (region) ConsulHost() int { return 10 }

// PostgresHost is PostgreSQL's.
func (region) PostgresHost() int { return 40 }

// NodeHost is that of database node n.
func (region) NodeHost(n int) int { return 40 + n }

// EdgeHost is the edge's.
func (region) EdgeHost() int { return 50 }

// StackHost is that of stack n.
func (region) StackHost(n int) int { return 60 + n }

// Zone is that of database node n.
func (r region) Zone(n int) string { return r.Zones[n-1] }

// Port is the port of the machine at which a service of the region is published.
func (r region) Port(base int) int { return base + r.Number }

// address is where one container with a sidecar is in both networks of its region.
type address struct {
	Region region
	Host   int
	Role   string // the container's name after the region's code
}

func newAddress(r region, host int, role string) address { return address{r, host, role} }

// Delay renders the one-way delay as tc reads it.
func (d delay) Delay() string {
	return fmt.Sprintf("%gms", float64(d.OneWay.Round(100*time.Microsecond).Microseconds())/1000)
}

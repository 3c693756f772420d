package compose_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// findings says what is wrong with a project that runs a catalog's regions, a sentence each.
func findings(p *project, c *regions.Set, databases []string) []string {
	var out []string
	out = append(out, checkRegions(p, c, databases)...)
	out = append(out, checkDelays(p, c)...)
	out = append(out, checkAddresses(p)...)
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		for _, text := range slices.Concat(
			checkOrder(p, p.Services[name]), checkReturn(p, name), checkSurface(p.Services[name]), checkProduct(p, p.Services[name], c),
		) {
			out = append(out, name+": "+text)
		}
	}
	return out
}

// parts are the services that every region has.
func parts() []string {
	return []string{"consul", "redis", "kafka", "edge", "stack-1", "stack-2", "consul-wan", "edge-wan", "stack-1-wan", "stack-2-wan"}
}

var ofRegion = regexp.MustCompile(`^([a-z]+[0-9]+)-`)

func checkRegions(p *project, c *regions.Set, databases []string) []string {
	var out []string
	for _, r := range c.All() {
		if _, ok := p.Networks[string(r.Name)]; !ok {
			out = append(out, fmt.Sprintf("%s has no network", r.Name))
		}
		for _, part := range slices.Concat(parts(), databases) {
			name := string(r.Code) + "-" + part
			s := p.Services[name]
			if s == nil {
				out = append(out, fmt.Sprintf("%s has no %s", r.Name, part))
				continue
			}
			if networks := p.network(s).Networks; !inRegion(networks, r.Name, c) {
				out = append(out, fmt.Sprintf("%s is in the networks %v", name, slices.Sorted(maps.Keys(networks))))
			}
			if text := strings.Join(s.Command, " "); strings.HasPrefix(part, "db-") && !strings.HasSuffix(part, "-wan") &&
				!strings.Contains(text, fmt.Sprintf("--locality=region=%s,zone=%s", r.Name, r.Zones["aws"][part[3]-'1'])) {
				out = append(out, name+" says another locality: "+text)
			}
		}
	}
	for name := range p.Services {
		if m := ofRegion.FindStringSubmatch(name); m != nil {
			if _, known := c.ByCode(regions.Code(m[1])); !known {
				out = append(out, name+" is of no region of the catalog")
			}
		}
	}
	return out
}

// inRegion reports whether networks are the region's and of no other region.
func inRegion[T any](networks map[string]T, region regions.Name, c *regions.Set) bool {
	for n := range networks {
		if _, isRegion := c.Lookup(regions.Name(n)); isRegion && n != string(region) {
			return false
		}
	}
	_, ok := networks[string(region)]
	return ok
}

// checkDelays wants each sidecar to delay by half of the declared round trips, and nobody to reach another region
// without a sidecar.
func checkDelays(p *project, c *regions.Set) []string {
	var out []string
	for name, s := range p.Services {
		m := ofRegion.FindStringSubmatch(name)
		if _, crosses := s.Networks["wan"]; m == nil || !crosses {
			continue
		}
		home, _ := c.ByCode(regions.Code(m[1]))
		want := map[string]time.Duration{}
		for _, o := range c.All() {
			if o.Name != home {
				want[fmt.Sprintf("10.78.%d.0/24", o.Loopback.Addr().As4()[2])] = c.RTT(home, o.Name) / 2
			}
		}
		if !strings.HasPrefix(s.Image, "meridian-wan:") || len(s.Command) == 0 || s.Command[0] != "10.78.0.0/16" || !delays(s.Command[1:], want) {
			out = append(out, fmt.Sprintf("%s delays %v, want %v", name, s.Command, want))
		}
	}
	return out
}

// delays reports whether a sidecar's rules are the wanted ones, to a tenth of a millisecond.
func delays(rules []string, want map[string]time.Duration) bool {
	for _, rule := range rules {
		to, text, _ := strings.Cut(rule, "=")
		later, err := time.ParseDuration(text)
		if oneWay, known := want[to]; err != nil || !known || (later-oneWay).Abs() > 100*time.Microsecond {
			return false
		}
	}
	return len(rules) == len(want)
}

// checkAddresses wants planned addresses to be unique, in their network, and where Docker gives none itself.
func checkAddresses(p *project) []string {
	var out []string
	taken := map[netip.Addr]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		for network, there := range p.Services[name].Networks {
			if there == nil || !there.Address.IsValid() {
				continue
			}
			if other, ok := taken[there.Address]; ok {
				out = append(out, fmt.Sprintf("%s and %s are both at %s", other, name, there.Address))
			}
			taken[there.Address] = name
			config := p.Networks[network].IPAM.Config
			if len(config) != 1 || !config[0].Subnet.Contains(there.Address) || config[0].IPRange.Contains(there.Address) {
				out = append(out, fmt.Sprintf("%s cannot be at %s in the network %s", name, there.Address, network))
			}
		}
	}
	return out
}

// checkOrder wants whatever is waited for to be able to arrive.
func checkOrder(p *project, s *service) []string {
	var out []string
	for name, d := range s.DependsOn {
		on := p.Services[name]
		switch d.Condition {
		case "service_healthy":
			if on == nil || on.Healthcheck == nil || on.Healthcheck.Disable || len(on.Healthcheck.Test) == 0 {
				out = append(out, "waits for the health of "+name+", which nobody checks")
			}
		case "service_completed_successfully":
			if on == nil || on.Restart != "no" {
				out = append(out, "waits for the end of "+name+", which is started again")
			}
		}
	}
	if sidecar, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok && s.DependsOn[sidecar].Condition != "service_healthy" {
		out = append(out, "does not wait for the delays of "+sidecar)
	}
	return out
}

// kept are the folders that must outlast a container, by its image: what jobs made of the service, and Docker makes them no
// more.
func kept() map[string]string {
	return map[string]string{
		"cockroachdb/cockroach": "/cockroach/cockroach-data", "postgres": "/var/lib/postgresql/data", "hashicorp/consul": "/consul/data",
	}
}

// checkReturn wants a service to come back by itself after Docker was restarted: that looks at nothing but restart policies, and
// whose network a container is in. Jobs, which others wait for the end of, have done their work by then; what people start,
// they start.
func checkReturn(p *project, name string) []string {
	for _, other := range p.Services {
		if other.DependsOn[name].Condition == "service_completed_successfully" {
			return nil
		}
	}
	s := p.Services[name]
	if slices.Equal(s.Profiles, []string{byHand}) {
		return nil
	}
	var out []string
	if s.Restart != "unless-stopped" && s.Restart != "always" {
		out = append(out, "does not come back when Docker does")
	}
	image, _, _ := strings.Cut(s.Image, ":")
	if folder := kept()[image]; folder != "" && !slices.ContainsFunc(s.Volumes, func(v volume) bool { return v.Type == "volume" && v.Target == folder }) {
		out = append(out, "comes back without what is in "+folder)
	}
	// Loading one rule takes a few MiB for a moment, and a sidecar that is killed for it takes the service's network with it.
	if limit, err := strconv.Atoi(s.MemLimit); image == "meridian-wan" && (err != nil || limit < 64<<20) {
		out = append(out, "may use "+s.MemLimit+" bytes, of which its rules take too much")
	}
	return out
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*$|^meridian(-wan)?:dev$`)

// checkSurface wants a service to show, hold and use no more than it needs.
func checkSurface(s *service) []string {
	var out []string
	if !pinned.MatchString(s.Image) {
		out = append(out, "its image has no version: "+s.Image)
	}
	if s.MemLimit == "" {
		out = append(out, "may use all memory")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		out = append(out, "may gain privileges")
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			out = append(out, fmt.Sprintf("publishes port %s at %q, beyond loopback", port.Published, port.HostIP))
		}
	}
	for _, v := range s.Volumes {
		if v.Type != "bind" {
			continue
		}
		if _, err := os.Stat(v.Source); err != nil {
			out = append(out, "mounts a file that does not exist: "+v.Source)
		}
		if !v.ReadOnly {
			out = append(out, "may write to "+v.Source)
		}
	}
	return out
}

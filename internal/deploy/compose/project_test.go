package compose_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

const (
	baseFile     = "docker-compose.multiregion.yml"
	postgresFile = "deploy/compose/postgres.yml"

	byHand = "rotate" // the profile of what people start
)

// project is what the checks read of a resolved Compose project.
type project struct {
	Services map[string]*service `json:"services"`
	Networks map[string]struct {
		IPAM struct {
			Config []struct {
				Subnet  netip.Prefix `json:"subnet"`
				IPRange netip.Prefix `json:"ip_range"`
			} `json:"config"`
		} `json:"ipam"`
	} `json:"networks"`
}

type service struct {
	Image       string             `json:"image"`
	Profiles    []string           `json:"profiles"`
	Entrypoint  []string           `json:"entrypoint"`
	Command     []string           `json:"command"`
	Environment map[string]*string `json:"environment"`
	Restart     string             `json:"restart"`
	NetworkMode string             `json:"network_mode"`
	MemLimit    string             `json:"mem_limit"`
	SecurityOpt []string           `json:"security_opt"`
	Networks    map[string]*struct {
		Address netip.Addr `json:"ipv4_address"`
		Aliases []string   `json:"aliases"`
	} `json:"networks"`
	Ports []struct {
		HostIP    string `json:"host_ip"`
		Published string `json:"published"`
	} `json:"ports"`
	Volumes   []volume `json:"volumes"`
	DependsOn map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
	Healthcheck *struct {
		Test    []string `json:"test"`
		Disable bool     `json:"disable"`
	} `json:"healthcheck"`
}

type volume struct {
	Type     string `json:"type"`
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"read_only"`
}

// resolve loads Compose files of the tree at root with the real library.
func resolve(t *testing.T, root, profile string, files ...string) (*project, error) {
	t.Helper()
	tool := deploytest.Tool(t, "composecheck")
	out, err := deploytest.Run(t.Context(), root, tool, append([]string{"-profile", profile, "-profile", byHand}, files...)...)
	if err != nil {
		return nil, &unresolved{out}
	}
	p := &project{}
	if err := json.Unmarshal([]byte(out), p); err != nil {
		t.Fatal(err)
	}
	return p, nil
}

// unresolved is what the library says of files that it refuses.
type unresolved struct{ text string }

func (u *unresolved) Error() string { return u.text }

// network returns the service in whose network namespace s runs: itself, or its sidecar.
func (p *project) network(s *service) *service {
	if sidecar, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok && p.Services[sidecar] != nil {
		return p.Services[sidecar]
	}
	return s
}

// at returns the services that s reaches as host, by name or by address.
func (p *project) at(s *service, host string) []*service {
	var out []*service
	reached := p.network(s).Networks
	for name, other := range p.Services {
		for network, there := range p.network(other).Networks {
			if _, shared := reached[network]; !shared {
				continue
			}
			named := name == host && other.NetworkMode == ""
			if there != nil {
				named = named || slices.Contains(there.Aliases, host) || there.Address.IsValid() && there.Address.String() == host
			}
			if named {
				out = append(out, other)
			}
		}
	}
	return out
}

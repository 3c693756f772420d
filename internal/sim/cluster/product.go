package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

const serviceName = "meridian" // that stacks register in Consul

// settings are what a configuration file says, by key, such as database.url.
type settings = map[string]any

// render writes settings as a configuration file, those whose keys are among the given ones; nil: all.
func render(s settings, keys map[string]bool) ([]byte, error) {
	known := maps.Clone(s)
	maps.DeleteFunc(known, func(key string, _ any) bool { return keys != nil && !keys[key] })
	nested, err := confmap.Provider(known, ".").Read()
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(nested)
}

// meridian is a part that runs the meridian program.
func (c *Cluster) meridian(region regions.Name, k kind, name string, args ...string) *part {
	p := c.part(region, k, name, c.tools.meridian, args...)
	p.spec.Env = append(p.spec.Env, c.opts.Env...)
	p.spec.Grace = c.opts.Leave.grace()
	return p
}

func (c *Cluster) provider() *part {
	p := c.meridian("", kindProvider, string(kindProvider), append([]string{"sandbox-provider", "--listen", c.plan.Provider,
		"--admin_listen", c.plan.ProviderAdmin, "--journal", filepath.Join(c.state.path, journalName)}, c.opts.Provider...)...)
	p.ready = func(ctx context.Context) error { return healthy(ctx, c.plan.ProviderAdmin) }
	return p
}

func (c *Cluster) stack(r topology.Region, i int) *part {
	s := r.Stacks[i]
	p := c.meridian(r.Name, kindStack, fmt.Sprintf("stack-%d", i+1))
	p.spec.Args = []string{"serve", "--config", c.configFile(p.name)}
	p.remote = s.Addr
	p.admin = s.Admin
	p.config = func() settings { return c.stackSettings(r, s) }
	p.ready = func(ctx context.Context) error { return errors.Join(healthy(ctx, s.Admin), c.discovered(ctx, r, s)) }
	return p
}

// discovered reports a stack that the region's Consul, if it runs, does not name to callers yet.
func (c *Cluster) discovered(ctx context.Context, r topology.Region, s topology.Stack) error {
	if !c.supervisor.Lookup(string(r.Name) + "/" + string(kindConsul)).Running() {
		return nil
	}
	var passing []struct{ Service struct{ ID string } }
	if err := fetch(ctx, "http://"+r.Consul+"/v1/health/service/"+serviceName+"?passing=1", &passing); err != nil {
		return err
	}
	for _, p := range passing {
		if p.Service.ID == s.Name {
			return nil
		}
	}
	return errors.New("not passing in Consul yet")
}

func (c *Cluster) edge(r topology.Region) *part {
	p := c.meridian(r.Name, kindEdge, "")
	p.spec.Args = []string{"edge", "--config", c.configFile(p.name)}
	p.admin = r.EdgeAdmin
	p.config = func() settings { return c.edgeSettings(r) }
	p.ready = func(ctx context.Context) error { return healthy(ctx, r.EdgeAdmin) }
	return p
}

func (c *Cluster) configFile(name string) string { return configFile(c.state.path, name) }

func configFile(stateDir, name string) string {
	return filepath.Join(stateDir, "config", strings.ReplaceAll(name, "/", "-")+".yaml")
}

// OwnerConfig is the configuration by which commands of meridian act on a simulation as the owner of its database; stateDir is
// the simulation's.
func OwnerConfig(stateDir string) string { return configFile(stateDir, owner) }

const owner = "owner"

// prepare writes what the meridian program reads, and has it make the schema and load the catalog.
func (c *Cluster) prepare(ctx context.Context) error {
	catalog := regions.DefaultYAML()
	if c.opts.RegionsFile != "" {
		var err error
		if catalog, err = os.ReadFile(c.opts.RegionsFile); err != nil {
			return fmt.Errorf("cluster: region catalog: %w", err)
		}
	}
	if err := writeFile(c.regionsFile(), catalog); err != nil {
		return err
	}
	for _, p := range c.parts {
		if p.config == nil {
			continue
		}
		if err := c.writeConfig(p.name, p.config()); err != nil {
			return err
		}
	}
	of := settings{"regions_file": c.regionsFile(), "database.url": c.DatabaseURL(), "database.app_role": appRole}
	if err := c.writeConfig(owner, of); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"keys", "generate", "--dir", c.keyFile("", "")},
		{"migrate", "--config", c.configFile(owner)},
		{"seed", "--config", c.configFile(owner)},
	} {
		if err := c.run(ctx, c.tools.meridian, args...); err != nil {
			return err
		}
	}
	if err := c.shareKeys(); err != nil {
		return err
	}
	c.say("schema and catalog are loaded")
	return nil
}

func (c *Cluster) regionsFile() string { return filepath.Join(c.state.path, "config", "regions.yaml") }

// settings are those of every process of a region, and more.
func (c *Cluster) settings(r topology.Region, leave Parting, more settings) settings {
	leave = leave.orDefault()
	s := settings{
		"region": r.Name, "regions_file": c.regionsFile(), "log.level": "info", "log.format": "json",
		"shutdown.delay": leave.Delay.String(), "shutdown.timeout": leave.Timeout.String(),
		"consul.address": r.Consul, "auth.keys_file": c.keyFile(r.Name, signingKeys),
	}
	maps.Copy(s, more)
	return s
}

func (c *Cluster) stackSettings(r topology.Region, s topology.Stack) settings {
	advertise := s.Addr
	if c.opts.Front != nil {
		advertise = c.opts.Front(s)
	}
	return c.settings(r, c.opts.Leave.Stack, settings{
		"advertise": advertise, "instance": s.Name, "target": []string{"all"}, "listen": s.Addr, "admin_listen": s.Admin,
		"redis.address": r.Redis, "kafka.brokers": []string{r.Bus}, "database.url": c.gatewayURL(r), "auth.token_ttl": "1h",
		"account.directory_key_file": c.keyFile("", "directory.key"), "payment.provider_url": "http://" + c.plan.Provider,
		"order.fulfill_after": "5s",
	})
}

// gatewayURL is how a region's stacks reach the database: by the region's gateway, as a role that pays.
func (c *Cluster) gatewayURL(r topology.Region) string {
	return c.database.RoleURL(appRole, r.Gateway, databaseName, url.Values{"options": {"-c meridian.gateway=" + string(r.Name)}})
}

func (c *Cluster) edgeSettings(r topology.Region) settings {
	consuls := map[string]string{}
	for _, o := range c.plan.Regions {
		consuls[string(o.Name)] = c.plan.Across(r, o, o.Consul)
	}
	return c.settings(r, c.opts.Leave.Edge, settings{
		"edge.cors_origins": c.opts.Origins,
		"instance":          string(r.Name) + "-edge", "listen": r.Edge, "admin_listen": r.EdgeAdmin, "auth.keys_file": c.keyFile(r.Name, publicKeys),
		// Every caller comes from this machine, so the edges believe what the simulated Internet says of its callers.
		"edge.consul": consuls, "edge.peer_nat": c.plan.NAT(r), "edge.trusted_proxies": []string{"127.0.0.0/8"},
	})
}

func (c *Cluster) writeConfig(name string, s settings) error {
	text, err := render(s, c.keys)
	if err != nil {
		return fmt.Errorf("cluster: configuration of %s: %w", name, err)
	}
	return writeFile(c.configFile(name), text)
}

// run runs a command of a meridian program to its end.
func (c *Cluster) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cluster: meridian %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// writeFile writes a file that only its owner may read: some hold secrets.
func writeFile(path string, text []byte) error {
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	serviceName = "meridian" // that stacks register in Consul
)

type settings = map[string]any

func (c *Cluster) provider() *part {
	const name = "provider"
	return &part{
		name: name, kind: kindProvider,
		spec: c.meridian(name, "sandbox-provider", "--listen", c.plan.Provider, "--admin_listen", c.plan.ProviderAdmin,
			"--journal", filepath.Join(c.state.path, journalName)),
		ready: func(ctx context.Context) error { return healthy(ctx, c.plan.ProviderAdmin) },
	}
}

func (c *Cluster) stack(r topology.Region, i int) *part {
	s := r.Stacks[i]
	name := fmt.Sprintf("%s/stack-%d", r.Name, i+1)
	return &part{
		name: name, region: r.Name, kind: kindStack, remote: s.Addr,
		spec:   c.meridian(name, "serve", "--config", c.configFile(name)),
		admin:  s.Admin,
		config: func() settings { return c.stackSettings(r, s) },
		ready:  func(ctx context.Context) error { return errors.Join(healthy(ctx, s.Admin), c.discovered(ctx, r, s)) },
	}
}

// discovered reports a stack that the region's Consul, if it runs, does not name to callers yet.
func (c *Cluster) discovered(ctx context.Context, r topology.Region, s topology.Stack) error {
	if p, ok := c.supervisor.Lookup(string(r.Name) + "/" + string(kindConsul)); !ok || !p.Running() {
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
	name := string(r.Name) + "/edge"
	return &part{
		name: name, region: r.Name, kind: kindEdge,
		spec:   c.meridian(name, "edge", "--config", c.configFile(name)),
		admin:  r.EdgeAdmin,
		config: func() settings { return c.edgeSettings(r) },
		ready:  func(ctx context.Context) error { return healthy(ctx, r.EdgeAdmin) },
	}
}

func (c *Cluster) meridian(name string, args ...string) proc.Spec {
	return proc.Spec{
		Name: name, Path: c.tools.meridian, Args: args, Env: append(c.environment(), c.opts.Env...),
		Dir: c.state.path, Log: c.log(name), Grace: c.opts.Leave.grace(),
	}
}

func (c *Cluster) configFile(name string) string {
	return filepath.Join(c.state.path, "config", strings.ReplaceAll(name, "/", "-")+".yaml")
}

// prepareFiles writes every configuration that does not need the database.
func (c *Cluster) prepareFiles(ctx context.Context) error {
	for _, r := range c.plan.Regions {
		if err := c.writeConsulConfig(r); err != nil {
			return err
		}
	}
	if c.opts.bare {
		return nil
	}
	if err := writeFile(c.regionsFile(), regions.DefaultYAML()); err != nil {
		return err
	}
	if c.opts.RegionsFile != "" {
		text, err := os.ReadFile(c.opts.RegionsFile)
		if err != nil {
			return fmt.Errorf("cluster: region catalog: %w", err)
		}
		if err := writeFile(c.regionsFile(), text); err != nil {
			return err
		}
	}
	for _, r := range c.plan.Regions {
		if err := c.writeConfig(string(r.Name)+"/edge", c.edgeSettings(r)); err != nil {
			return err
		}
	}
	return c.run(ctx, "keys", "generate", "--dir", c.keyFile(""))
}

func (c *Cluster) regionsFile() string { return filepath.Join(c.state.path, "config", "regions.yaml") }

func (c *Cluster) keyFile(name string) string { return filepath.Join(c.state.path, "keys", name) }

// writeStackConfigs writes the configurations that hold the database's password.
func (c *Cluster) writeStackConfigs() error {
	for _, r := range c.plan.Regions {
		for i, s := range r.Stacks {
			if err := c.writeConfig(fmt.Sprintf("%s/stack-%d", r.Name, i+1), c.stackSettings(r, s)); err != nil {
				return err
			}
		}
	}
	return c.writeConfig("owner", settings{
		"regions_file": c.regionsFile(),
		"database":     settings{"url": c.DatabaseURL(), "app_role": appRole},
	})
}

func (c *Cluster) stackSettings(r topology.Region, s topology.Stack) settings {
	advertise := s.Addr
	if c.opts.Front != nil {
		advertise = c.opts.Front(s)
	}
	return settings{
		"advertise": advertise, "region": r.Name, "instance": s.Name, "regions_file": c.regionsFile(), "target": []string{"all"},
		"listen": s.Addr, "admin_listen": s.Admin, "log": settings{"level": "info", "format": "json"},
		"shutdown": c.opts.Leave.Stack.settings(),
		"consul":   settings{"address": r.Consul},
		"redis":    settings{"address": r.Redis},
		"kafka":    settings{"brokers": []string{r.Bus}},
		"database": settings{"url": c.gatewayURL(r)},
		"auth":     settings{"keys_file": c.keyFile("auth.json"), "token_ttl": "1h"},
		"account":  settings{"directory_key_file": c.keyFile("directory.key")},
		"payment":  settings{"provider_url": "http://" + c.plan.Provider},
		"order":    settings{"fulfill_after": "5s"},
	}
}

// gatewayURL is how a region's stacks reach the database: by the region's gateway, as a role that pays.
func (c *Cluster) gatewayURL(r topology.Region) string {
	return c.database.RoleURL(appRole, r.Gateway, databaseName, url.Values{"options": {"-c meridian.gateway=" + string(r.Name)}})
}

func (c *Cluster) edgeSettings(r topology.Region) settings {
	consuls := settings{}
	for _, o := range c.plan.Regions {
		consuls[string(o.Name)] = c.plan.Across(r, o, o.Consul)
	}
	return settings{
		"region": r.Name, "instance": string(r.Name) + "-edge", "regions_file": c.regionsFile(),
		"listen": r.Edge, "admin_listen": r.EdgeAdmin, "log": settings{"level": "info", "format": "json"},
		"shutdown": c.opts.Leave.Edge.settings(),
		"consul":   settings{"address": r.Consul},
		"auth":     settings{"keys_file": c.keyFile("auth.json")},
		// Every caller comes from this machine, so the edges believe what the simulated Internet says of its callers.
		"edge": settings{"consul": consuls, "peer_nat": c.plan.NAT(r), "trusted_proxies": []string{"127.0.0.0/8"}},
	}
}

func (c *Cluster) writeConfig(name string, s settings) error {
	if c.keys != nil {
		s = only(s, "", c.keys)
	}
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("cluster: configuration of %s: %w", name, err)
	}
	return writeFile(c.configFile(name), text)
}

// run runs a meridian command to its end.
func (c *Cluster) run(ctx context.Context, args ...string) error {
	return c.runProgram(ctx, c.tools.meridian, args...)
}

func (c *Cluster) runProgram(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = c.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cluster: meridian %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// writeFile writes a file that only its owner may read: some hold secrets.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"github.com/meridian-commerce/meridian/internal/config"
)

// ErrLeft says that a process which was to stop did not do so in order.
var ErrLeft = errors.New("cluster: it did not leave in order")

// Leave is how processes leave when they are asked to stop, by what they are.
type Leave struct{ Stack, Edge Parting }

// Parting is how a process leaves. Zero durations are the product's own, so that a process which is stopped by hand
// loses no request that it would not lose in a deployment.
type Parting struct {
	Delay   time.Duration // for which it goes on serving while others notice
	Timeout time.Duration // that requests under way have after that
}

func (p Parting) orDefault() Parting {
	for _, k := range config.Keys() {
		d, _ := k.Default.(time.Duration)
		switch k.Name {
		case "shutdown.delay":
			p.Delay = cmp.Or(p.Delay, d)
		case "shutdown.timeout":
			p.Timeout = cmp.Or(p.Timeout, d)
		}
	}
	return p
}

// grace is how long a process may take to leave before it is killed.
func (l Leave) grace() time.Duration {
	stack := l.Stack.orDefault()
	edge := l.Edge.orDefault()
	return max(stack.Delay+stack.Timeout, edge.Delay+edge.Timeout) + 3*time.Second
}

// Replaceable lists the processes that Replace can replace, region by region and each region's edge last.
func (c *Cluster) Replaceable() []string {
	var names []string
	for _, p := range c.parts {
		if p.config != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// Admin is where a replaceable process has its metrics, host:port; "" for any other.
func (c *Cluster) Admin(name string) string {
	parts, whole, err := c.resolve(name)
	if err != nil || whole {
		return ""
	}
	return parts[0].admin
}

// Migrate brings the database's schema to what a program wants.
func (c *Cluster) Migrate(ctx context.Context, program string) error {
	c.say("migrate with %s", program)
	return c.run(ctx, program, "migrate", "--config", c.configFile("owner"))
}

// Replace stops a stack or an edge and starts another program in its place, with the configuration that this one
// understands; it returns once that is ready. The former process is asked to stop, drains and ends by itself
// (ErrLeft if it does not), unless it is to go abruptly.
func (c *Cluster) Replace(ctx context.Context, name, program string, abruptly bool) error {
	c.faults.Lock()
	defer c.faults.Unlock()
	parts, whole, err := c.resolve(name)
	if err != nil {
		return err
	}
	p := parts[0]
	process := c.supervisor.Lookup(p.name)
	if whole || p.config == nil || !process.Running() {
		return fmt.Errorf("cluster: %s is no running stack or edge", name)
	}
	if c.keys, err = keysOf(ctx, program); err != nil {
		return err
	}
	if abruptly {
		c.kill(p, process)
	} else {
		process.Stop(ctx)
		c.dead(p, true)
		if exit := process.State().Exit; exit != "exit status 0" {
			return fmt.Errorf("%w: %s: %s", ErrLeft, name, exit)
		}
	}
	if err := c.writeConfig(p.name, p.config()); err != nil {
		return err
	}
	p.spec.Path = program
	return c.start(ctx, p)
}

var flagName = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z_.]+)`)

// keysOf returns the configuration keys that a meridian program has: each is a flag, too.
func keysOf(ctx context.Context, program string) (map[string]bool, error) {
	help, err := exec.CommandContext(ctx, program, "serve", "--help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cluster: %s serve --help: %w\n%s", program, err, bytes.TrimSpace(help))
	}
	keys := map[string]bool{}
	for _, m := range flagName.FindAllSubmatch(help, -1) {
		keys[string(m[1])] = true
	}
	if !keys["region"] {
		return nil, fmt.Errorf("cluster: %s serve --help lists no configuration keys", program)
	}
	return keys, nil
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrUnknownTarget says that nothing to kill or heal has that name.
var ErrUnknownTarget = errors.New("cluster: unknown target")

// ErrNotRunning says that the target of a kill does not run.
var ErrNotRunning = errors.New("cluster: it does not run")

// ErrRegionLost says that a part cannot be healed because its whole region is lost.
var ErrRegionLost = errors.New("cluster: its whole region is lost; heal the region")

// KillReport says what a kill did.
type KillReport struct {
	Target       string    `json:"target"`
	At           time.Time `json:"at"`             // when the first process was killed
	Processes    []string  `json:"processes"`      // what was killed
	Sessions     int       `json:"sessions"`       // database sessions that ended
	LeasesMoveAt time.Time `json:"leases_move_at"` // of a region: when its rows can be read again; else zero
}

// Targets lists what Kill and Heal accept.
func (c *Cluster) Targets() []string {
	var all []string
	for _, r := range c.plan.Regions {
		all = append(all, string(r.Name))
	}
	for _, p := range c.parts {
		all = append(all, p.name)
	}
	return all
}

// Kill sends SIGKILL to a target: a region with all that is in it, its database gateway's sessions and its
// leases; or one part, such as eu-west-1/redis; or the payment provider.
func (c *Cluster) Kill(ctx context.Context, target string) (KillReport, error) {
	c.faults.Lock()
	defer c.faults.Unlock()
	report := KillReport{Target: target}
	parts, whole, err := c.resolve(target)
	if err != nil {
		return report, err
	}
	running := c.running(parts)
	if whole = whole && c.alive(regions.Name(target)); len(running) == 0 && !whole {
		return report, fmt.Errorf("%w: %s", ErrNotRunning, target)
	}
	if whole {
		// The leases first: survivors must not read the region's rows in the instant before they stall.
		if report.LeasesMoveAt, err = c.model.KillRegion(ctx, regions.Name(target), locality.DrawStall(c.random)); err != nil {
			return report, err
		}
	}
	report.At = time.Now()
	var wg sync.WaitGroup
	for _, p := range running {
		report.Processes = append(report.Processes, p.name)
		if process, ok := c.supervisor.Lookup(p.name); ok {
			wg.Go(process.Kill)
		}
	}
	wg.Wait()
	report.Sessions, err = c.endSessions(ctx, running)
	c.say("killed %s: %d processes, %d database sessions", target, len(report.Processes), report.Sessions)
	return report, err
}

// endSessions ends the database sessions of killed gateways, which would else finish their statements.
func (c *Cluster) endSessions(ctx context.Context, killed []*part) (int, error) {
	total := 0
	for _, p := range killed {
		if p.kind != kindGateway {
			continue
		}
		r, err := c.region(p.region)
		if err != nil {
			return total, err
		}
		n, err := c.model.EndSessions(ctx, netip.MustParseAddrPort(r.Gateway).Addr())
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// Heal starts again whatever of a target does not run, and returns when it is ready. A whole region's leases
// return with it. Healing what is well changes nothing.
func (c *Cluster) Heal(ctx context.Context, target string) error {
	c.faults.Lock()
	defer c.faults.Unlock()
	parts, whole, err := c.resolve(target)
	if err != nil {
		return err
	}
	if !whole && parts[0].region != "" && !c.alive(parts[0].region) {
		return fmt.Errorf("%w %s", ErrRegionLost, parts[0].region)
	}
	stopped := map[string]bool{}
	for _, p := range parts {
		stopped[p.name] = true
	}
	for _, p := range c.running(parts) {
		delete(stopped, p.name)
	}
	if err := c.startAll(ctx, func(p *part) bool { return stopped[p.name] && p.kind.base() }); err != nil {
		return err
	}
	if whole && !c.alive(regions.Name(target)) {
		if err := c.model.HealRegion(ctx, regions.Name(target)); err != nil {
			return err
		}
	}
	if err := c.startAll(ctx, func(p *part) bool { return stopped[p.name] && !p.kind.base() }); err != nil {
		return err
	}
	c.say("healed %s", target)
	return nil
}

// resolve returns the parts of a target, and whether it is a whole region.
func (c *Cluster) resolve(target string) (parts []*part, whole bool, err error) {
	for _, p := range c.parts {
		if p.name == target {
			return []*part{p}, false, nil
		}
		if string(p.region) == target {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 || target == "" {
		return nil, false, fmt.Errorf("%w %q; there are %s", ErrUnknownTarget, target, strings.Join(c.Targets(), ", "))
	}
	return parts, true, nil
}

func (c *Cluster) running(parts []*part) []*part {
	var running []*part
	for _, p := range parts {
		if process, ok := c.supervisor.Lookup(p.name); ok && process.Running() {
			running = append(running, p)
		}
	}
	return running
}

// alive reports whether the region was not lost as a whole.
func (c *Cluster) alive(name regions.Name) bool {
	for _, s := range c.model.State() {
		if s.Name == name {
			return s.Alive
		}
	}
	return false
}

func (c *Cluster) region(name regions.Name) (topology.Region, error) {
	if r, ok := c.plan.Lookup(name); ok {
		return r, nil
	}
	return topology.Region{}, fmt.Errorf("%w %q", ErrUnknownTarget, name)
}

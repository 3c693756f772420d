package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrUnknownTarget says that nothing to kill or heal has that name.
var ErrUnknownTarget = errors.New("cluster: unknown target")

// ErrNotRunning says that the target of a kill does not run.
var ErrNotRunning = errors.New("cluster: it does not run")

// ErrRegionLost says that a part cannot be healed because its whole region is lost.
var ErrRegionLost = errors.New("cluster: its whole region is lost; heal the region")

// FaultReport says what a fault did.
type FaultReport struct {
	Target       string       `json:"target"`
	At           time.Time    `json:"at"`             // when it began
	Processes    []string     `json:"processes"`      // what was killed, hangs or flaps
	Sessions     int          `json:"sessions"`       // database sessions that ended
	LeasesMoveAt time.Time    `json:"leases_move_at"` // of a region that the others lost: when its rows can be read again; else zero
	Links        []LinkStatus `json:"links"`          // directions of the WAN that it broke
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
func (c *Cluster) Kill(ctx context.Context, target string) (FaultReport, error) {
	c.faults.Lock()
	defer c.faults.Unlock()
	report, err := c.lose(ctx, target, func(p *part, process *proc.Process) error { c.kill(p, process); return nil })
	if err == nil {
		c.say("killed %s: %d processes, %d database sessions", target, len(report.Processes), report.Sessions)
	}
	return report, err
}

// lose does something to every running process of a target, after which none of them answers. c.faults is held.
func (c *Cluster) lose(ctx context.Context, target string, end func(*part, *proc.Process) error) (FaultReport, error) {
	report := FaultReport{Target: target}
	parts, whole, err := c.resolve(target)
	if err != nil {
		return report, err
	}
	c.endFlaps(parts)
	running := c.running(parts)
	if whole = whole && c.alive(regions.Name(target)); len(running) == 0 && !whole {
		return report, fmt.Errorf("%w: %s", ErrNotRunning, target)
	}
	if whole {
		// The leases first: survivors must not read the region's rows in the instant before they stall.
		if report.LeasesMoveAt, err = c.model.LoseRegion(ctx, regions.Name(target), locality.DrawStall(c.random), false); err != nil {
			return report, err
		}
	}
	report.At = time.Now()
	var together errgroup.Group
	for _, p := range running {
		report.Processes = append(report.Processes, p.name)
		if process, ok := c.supervisor.Lookup(p.name); ok {
			together.Go(func() error { return end(p, process) })
		}
	}
	if err := together.Wait(); err != nil {
		return report, err
	}
	report.Sessions, err = c.endSessions(ctx, running)
	return report, err
}

// endSessions ends the database sessions of lost gateways, which would else finish their statements.
func (c *Cluster) endSessions(ctx context.Context, lost []*part) (int, error) {
	total := 0
	for _, p := range lost {
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

// Heal undoes whatever is wrong with a target: it ends flapping, restores the WAN links of a region, resumes
// what hangs and starts again what does not run; and returns when all of it is ready. A whole region's leases
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
	unready := c.endFlaps(parts) // a part that flapped was just started
	if whole {
		if err := c.network.Rejoin(regions.Name(target)); err != nil {
			return err
		}
	}
	if err := c.resume(parts, unready); err != nil {
		return err
	}
	if err := c.startAll(ctx, func(p *part) bool { return unready[p] && p.kind.base() }); err != nil {
		return err
	}
	if whole {
		if err := c.model.HealRegion(ctx, regions.Name(target)); err != nil {
			return err
		}
	}
	if err := c.startAll(ctx, func(p *part) bool { return unready[p] && !p.kind.base() }); err != nil {
		return err
	}
	c.say("healed %s", target)
	return nil
}

// resume lets hanging processes continue, and notes their parts and those that do not run: all of them are to get ready.
func (c *Cluster) resume(parts []*part, unready map[*part]bool) error {
	for _, p := range parts {
		process, ok := c.supervisor.Lookup(p.name)
		switch {
		case !ok || !process.Running():
			unready[p] = true
		case process.State().Paused:
			if err := process.Resume(); err != nil {
				return err
			}
			unready[p] = true
		}
	}
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

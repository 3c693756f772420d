package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
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
	gateways := c.gatewaysOf(running)
	for _, g := range gateways {
		if err := c.model.Abandon(ctx, g); err != nil {
			return report, err
		}
	}
	report.At = time.Now()
	var together errgroup.Group
	for _, p := range running {
		report.Processes = append(report.Processes, p.name)
		together.Go(func() error { return end(p, c.supervisor.Lookup(p.name)) })
	}
	if err := together.Wait(); err != nil {
		return report, err
	}
	for _, g := range gateways {
		// The sessions of a lost gateway would else finish their statements.
		ended, err := c.model.EndSessions(ctx, g)
		if report.Sessions += ended; err != nil {
			return report, err
		}
	}
	return report, nil
}

// gatewaysOf returns the addresses of the database gateways among some parts.
func (c *Cluster) gatewaysOf(parts []*part) (all []netip.Addr) {
	for _, p := range parts {
		if p.kind == kindGateway {
			r, _ := c.plan.Lookup(p.region)
			all = append(all, netip.MustParseAddrPort(r.Gateway).Addr())
		}
	}
	return all
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
	broken := slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return c.well(ctx, p) })
	c.endFlaps(parts)
	if whole {
		if err := c.network.Rejoin(regions.Name(target)); err != nil {
			return err
		}
	}
	for _, p := range c.running(broken) {
		if err := c.supervisor.Lookup(p.name).Resume(); err != nil {
			return err
		}
	}
	if err := c.startAll(ctx, broken, true); err != nil {
		return err
	}
	if whole {
		if err := c.model.HealRegion(ctx, regions.Name(target)); err != nil {
			return err
		}
	}
	if err := c.startAll(ctx, broken, false); err != nil {
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
	return slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return !c.supervisor.Lookup(p.name).Running() })
}

// well reports whether nothing was done to a part since it was ready. It is asked itself, too: of one that has just
// ended, or is about to, nobody else knows yet.
func (c *Cluster) well(ctx context.Context, p *part) bool {
	process := c.supervisor.Lookup(p.name)
	if !process.Running() || process.State().Paused || p.flap.Load() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return p.ready(ctx) == nil
}

// alive reports whether the region was not lost as a whole.
func (c *Cluster) alive(name regions.Name) bool {
	return slices.ContainsFunc(c.model.State(), func(s locality.RegionState) bool { return s.Name == name && s.Alive })
}

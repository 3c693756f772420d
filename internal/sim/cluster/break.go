package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
	"github.com/meridian-commerce/meridian/regions"
)

// FaultKind is a way to break a running simulation, beside Kill.
type FaultKind string

// The kinds of Break.
const (
	FaultHang      FaultKind = "hang"      // SIGSTOP: processes hold their connections and answer nothing
	FaultSlow      FaultKind = "slow"      // the WAN to and from a region takes longer
	FaultPartition FaultKind = "partition" // what is sent over the WAN is lost without a word
	FaultCut       FaultKind = "cut"       // connections over the WAN are closed and refused
	FaultFlap      FaultKind = "flap"      // a part is killed and started, over and over
)

// Fault says what Break does. Heal of the same target undoes it.
type Fault struct {
	Kind   FaultKind     `json:"kind"`
	Target string        `json:"target"`            // a region; of hang and flap also a part, such as eu-west-1/stack-1
	From   regions.Name  `json:"from,omitempty"`    // of partition and cut: from this region only; empty: from all
	OneWay bool          `json:"one_way,omitempty"` // of partition: only what the target sends is lost
	Factor float64       `json:"factor,omitempty"`  // of slow: round trips take so many times the declared; more than 1
	Every  time.Duration `json:"every,omitempty"`   // of flap: from one kill to the next; at least MinFlap
	For    time.Duration `json:"for,omitempty"`     // of flap: it ends by itself; 0: MaxFlap, which is the most
}

// ErrBadFault says that a fault does not make sense.
var ErrBadFault = errors.New("cluster: bad fault")

// Validate checks what does not depend on the simulation. Errors are ErrBadFault.
func (f Fault) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrBadFault, f.Kind, fmt.Sprintf(format, args...))
	}
	switch f.Kind {
	case FaultHang:
	case FaultSlow:
		if f.Factor <= 1 || f.Factor > 1000 {
			return bad("the factor is more than 1 and at most 1000, not %v", f.Factor)
		}
	case FaultPartition, FaultCut:
		switch {
		case string(f.From) == f.Target:
			return bad("no link leads from %s to itself", f.Target)
		case f.Kind == FaultCut && f.OneWay:
			return bad("a connection is closed at both ends; only a partition is one-way")
		}
	case FaultFlap:
		if f.Every < MinFlap || f.For < 0 || f.For > MaxFlap {
			return bad("it is killed every %s or less often, for at most %s", MinFlap, MaxFlap)
		}
	default:
		return bad("there is no such fault")
	}
	return nil
}

// Break puts a fault on a running simulation. A region that is hung, or that a partition or cut separates from
// every other one, loses its leases as a killed one does: to the database, a region that is not heard is lost.
func (c *Cluster) Break(ctx context.Context, f Fault) (FaultReport, error) {
	if err := f.Validate(); err != nil {
		return FaultReport{Target: f.Target}, err
	}
	c.faults.Lock()
	defer c.faults.Unlock()
	var report FaultReport
	var err error
	switch f.Kind {
	case FaultHang:
		report, err = c.lose(ctx, f.Target, func(_ *part, process *proc.Process) error { return process.Pause() })
	case FaultFlap:
		report, err = c.startFlap(f)
	default:
		report, err = c.breakLinks(ctx, f)
	}
	if err != nil {
		return report, err
	}
	c.say("%s of %s: %d processes, %d links", f.Kind, f.Target, len(report.Processes), len(report.Links))
	return report, nil
}

// breakLinks breaks the WAN around a region. c.faults is held.
func (c *Cluster) breakLinks(ctx context.Context, f Fault) (FaultReport, error) {
	report := FaultReport{Target: f.Target}
	target := regions.Name(f.Target)
	for _, name := range []regions.Name{target, cmp.Or(f.From, target)} {
		if _, ok := c.plan.Lookup(name); !ok {
			return report, fmt.Errorf("%w %q", ErrUnknownTarget, name)
		}
	}
	if f.Kind != FaultSlow && f.From == "" && c.alive(target) {
		var err error
		if report.LeasesMoveAt, err = c.model.LoseRegion(ctx, target, locality.DrawStall(c.random), true); err != nil {
			return report, err
		}
	}
	report.At = time.Now()
	fault := wan.Fault{Kind: map[FaultKind]wan.Kind{FaultSlow: wan.Slow, FaultCut: wan.Cut, FaultPartition: wan.Blackhole}[f.Kind]}
	for _, r := range c.plan.Regions {
		if r.Name == target || f.From != "" && f.From != r.Name {
			continue
		}
		links := []wan.Link{{From: target, To: r.Name}, {From: r.Name, To: target}}
		if f.OneWay {
			links = links[:1]
		}
		for _, l := range links {
			if f.Kind == FaultSlow {
				oneWay := float64(c.plan.Catalog.RTT(l.From, l.To)) / 2
				fault.Extra = time.Duration(oneWay * (f.Factor - 1))
			}
			if err := c.network.Break(l, fault); err != nil {
				return report, err
			}
			report.Links = append(report.Links, LinkStatus{l, fault})
		}
	}
	if f.Kind == FaultSlow {
		return report, c.model.SlowRegion(ctx, target, f.Factor)
	}
	return report, nil
}

package failovermatrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// fault is one way in which a region fails.
type fault struct {
	name string
	what string        // for people
	hold time.Duration // until it is healed

	entry  bool          // the region's edge is lost to callers
	door   bool          // and has to be lost on purpose, because it runs on
	part   string        // of the region, such as /consul; "": all of it
	broken cluster.Fault // its Kind is zero where the target is killed
}

// How long faults last: leases stall for up to seven seconds, and what follows must be seen to last.
const (
	longHold  = 10500 * time.Millisecond
	shortHold = 7 * time.Second

	slowness  = 10
	flapEvery = 2 * time.Second

	faultCrash = "crash"
)

// faults are all of them, in the order in which they are measured.
func faults() []fault {
	return []fault{
		{name: faultCrash, what: "SIGKILL to every process of the region", hold: longHold, entry: true},
		{
			name: "hang", what: "SIGSTOP to every process of the region", hold: longHold, entry: true,
			broken: cluster.Fault{Kind: cluster.FaultHang},
		},
		{
			name: "blackhole", what: "all that is sent to and from the region vanishes", hold: longHold, entry: true, door: true,
			broken: cluster.Fault{Kind: cluster.FaultPartition},
		},
		{
			name: "slow", what: "round trips to and from the region take ten times as long", hold: shortHold,
			broken: cluster.Fault{Kind: cluster.FaultSlow, Factor: slowness},
		},
		{
			name: "one-way partition", what: "what the region sends to the others vanishes; callers reach its edge", hold: longHold,
			broken: cluster.Fault{Kind: cluster.FaultPartition, OneWay: true},
		},
		{name: "consul lost", what: "SIGKILL to the region's Consul", hold: shortHold, part: "/consul"},
		{
			name: "flapping instance", what: "one of the region's stacks is killed and started every two seconds", hold: shortHold, part: "/stack-1",
			broken: cluster.Fault{Kind: cluster.FaultFlap, Every: flapEvery},
		},
	}
}

// choose returns the named faults, or all.
func choose(names []string) ([]fault, error) {
	if len(names) == 0 {
		return faults(), nil
	}
	chosen := slices.DeleteFunc(faults(), func(f fault) bool { return !slices.Contains(names, f.name) })
	if len(chosen) != len(names) {
		return nil, fmt.Errorf("failover-matrix: of %q some are no faults; there are %s", names, strings.Join(faultNames(), ", "))
	}
	return chosen, nil
}

func faultNames() []string {
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// inflict breaks what the fault says, after its edge's way to callers if that is to be lost, too.
func (f fault) inflict(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
	if f.door {
		if err := d.door.Lose(); err != nil {
			return cluster.FaultReport{}, err
		}
	}
	f.broken.Target = d.region + f.part
	if f.broken.Kind == "" {
		return r.Cluster.Kill(ctx, f.broken.Target)
	}
	return r.Cluster.Break(ctx, f.broken)
}

// heal heals the whole region, whatever part of it was broken.
func (f fault) heal(ctx context.Context, d *drill, r *scenario.Run) error {
	err := r.Cluster.Heal(ctx, d.region)
	if f.door {
		err = errors.Join(err, d.door.Restore())
	}
	return err
}

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

	entry   bool // the region's edge is lost to callers
	leases  bool // the database loses the region, so that its leases stall and move
	inflict func(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error)
	heal    func(ctx context.Context, d *drill, r *scenario.Run) error
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
		{
			name: faultCrash, what: "SIGKILL to every process of the region", hold: longHold, entry: true, leases: true,
			inflict: func(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
				return r.Cluster.Kill(ctx, d.region)
			},
			heal: healRegion,
		},
		{
			name: "hang", what: "SIGSTOP to every process of the region", hold: longHold, entry: true, leases: true,
			inflict: breaking(cluster.Fault{Kind: cluster.FaultHang}), heal: healRegion,
		},
		{
			name: "blackhole", what: "all that is sent to and from the region vanishes", hold: longHold, entry: true, leases: true,
			inflict: blackhole, heal: reopen,
		},
		{
			name: "slow", what: "round trips to and from the region take ten times as long", hold: shortHold,
			inflict: breaking(cluster.Fault{Kind: cluster.FaultSlow, Factor: slowness}), heal: healRegion,
		},
		{
			name: "one-way partition", what: "what the region sends to the others vanishes; callers reach its edge", hold: longHold, leases: true,
			inflict: breaking(cluster.Fault{Kind: cluster.FaultPartition, OneWay: true}), heal: healRegion,
		},
		{
			name: "consul lost", what: "SIGKILL to the region's Consul", hold: shortHold,
			inflict: func(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
				return r.Cluster.Kill(ctx, d.region+"/consul")
			},
			heal: healRegion,
		},
		{
			name: "flapping instance", what: "one of the region's stacks is killed and started every two seconds", hold: shortHold,
			inflict: func(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
				return r.Cluster.Break(ctx, cluster.Fault{Kind: cluster.FaultFlap, Target: d.region + "/stack-1", Every: flapEvery})
			},
			heal: healRegion,
		},
	}
}

// choose returns the named faults, or all.
func choose(names []string) ([]fault, error) {
	all := faults()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []fault
	for _, f := range all {
		if slices.Contains(names, f.name) {
			chosen = append(chosen, f)
		}
	}
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

func breaking(f cluster.Fault) func(context.Context, *drill, *scenario.Run) (cluster.FaultReport, error) {
	return func(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
		f.Target = d.region
		return r.Cluster.Break(ctx, f)
	}
}

func healRegion(ctx context.Context, d *drill, r *scenario.Run) error {
	return r.Cluster.Heal(ctx, d.region)
}

// blackhole loses the WAN around the region, and its edge to callers.
func blackhole(ctx context.Context, d *drill, r *scenario.Run) (cluster.FaultReport, error) {
	if err := d.door.Lose(); err != nil {
		return cluster.FaultReport{}, err
	}
	return r.Cluster.Break(ctx, cluster.Fault{Kind: cluster.FaultPartition, Target: d.region})
}

func reopen(ctx context.Context, d *drill, r *scenario.Run) error {
	return errors.Join(r.Cluster.Heal(ctx, d.region), d.door.Restore())
}

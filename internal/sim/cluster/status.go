package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
)

const healthTimeout = 800 * time.Millisecond

// Status describes a simulation at one moment.
type Status struct {
	Net         int            `json:"net"`
	PID         int            `json:"pid"`
	StateDir    string         `json:"state_dir"`
	Started     time.Time      `json:"started"`
	At          time.Time      `json:"at"`
	MemoryBytes int64          `json:"memory_bytes"` // proportional set size of all processes; 0: unknown
	Regions     []RegionStatus `json:"regions"`
	Outside     []proc.State   `json:"outside"`  // the database and the payment provider
	Links       []LinkStatus   `json:"links"`    // faults of the WAN
	Flapping    []string       `json:"flapping"` // parts that are killed and started over and over
}

// RegionStatus describes one region.
type RegionStatus struct {
	locality.RegionState
	Edge      string       `json:"edge"` // URL
	Healthy   bool         `json:"healthy"`
	Reason    string       `json:"reason"` // why it is not healthy; empty if it is
	Processes []proc.State `json:"processes"`
}

// LinkStatus is a fault of one direction of the WAN.
type LinkStatus struct {
	wan.Link
	wan.Fault
}

// Status asks every edge for its health and describes all.
func (c *Cluster) Status(ctx context.Context) Status {
	s := Status{
		Net: c.plan.Net, PID: os.Getpid(), StateDir: c.state.path, Started: c.started, At: time.Now(),
		Regions: make([]RegionStatus, len(c.plan.Regions)),
	}
	s.MemoryBytes, _ = c.Memory() // 0 says that it is unknown
	for _, p := range c.supervisor.States() {
		region, _, _ := strings.Cut(p.Name, "/")
		at := slices.IndexFunc(c.plan.Regions, func(r topology.Region) bool { return string(r.Name) == region })
		if at < 0 {
			s.Outside = append(s.Outside, p)
		} else {
			s.Regions[at].Processes = append(s.Regions[at].Processes, p)
		}
	}
	leases := c.model.State()
	var wg sync.WaitGroup
	for i, r := range c.plan.Regions {
		region := &s.Regions[i]
		region.RegionState = leases[i]
		region.Edge = "http://" + r.Edge
		wg.Go(func() {
			if err := c.health(ctx, region, r.EdgeAdmin); err != nil {
				region.Reason = err.Error()
			}
			region.Healthy = region.Reason == ""
		})
	}
	for link, fault := range c.network.Faults() {
		s.Links = append(s.Links, LinkStatus{link, fault})
	}
	s.Flapping = c.flapping()
	wg.Wait()
	return s
}

// health is the edge's own word, or the processes that are missing.
func (c *Cluster) health(ctx context.Context, r *RegionStatus, admin string) error {
	switch {
	case r.CutOff:
		return errors.New("cut off")
	case !r.Alive:
		return errors.New("lost")
	}
	for _, p := range r.Processes {
		switch name := path.Base(p.Name); {
		case !p.Running:
			return errors.New(name + " does not run")
		case p.Paused:
			return errors.New(name + " hangs")
		}
	}
	if c.opts.bare {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return healthy(ctx, admin)
}

// Memory is the proportional set size, in bytes, of this process, of the simulation's and of their children, such as the
// database's sessions: shared pages count once.
func (c *Cluster) Memory() (int64, error) {
	processes, err := procfs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("cluster: processes: %w", err)
	}
	ours := []int{os.Getpid()}
	for _, s := range c.supervisor.States() {
		ours = append(ours, s.PID)
	}
	var total uint64
	for _, p := range processes {
		stat, err := p.Stat()
		if err != nil || !slices.Contains(ours, p.PID) && !slices.Contains(ours, stat.PPID) {
			continue // it is not ours, or has just ended
		}
		memory, err := p.ProcSMapsRollup()
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // it has just ended
			return 0, fmt.Errorf("cluster: memory: %w", err)
		}
		total += memory.Pss
	}
	return int64(total), nil
}

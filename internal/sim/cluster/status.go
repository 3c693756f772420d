package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
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
	Reason    string       `json:"reason"` // why it is not healthy
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
	processes := c.supervisor.States()
	leases := c.model.State()
	var wg sync.WaitGroup
	for i, r := range c.plan.Regions {
		region := &s.Regions[i]
		region.RegionState = leases[i]
		region.Edge = "http://" + r.Edge
		for _, p := range processes {
			if strings.HasPrefix(p.Name, string(r.Name)+"/") {
				region.Processes = append(region.Processes, p)
			}
		}
		wg.Go(func() { region.Healthy, region.Reason = c.health(ctx, region, r.EdgeAdmin) })
	}
	for _, p := range processes {
		if !strings.Contains(p.Name, "/") {
			s.Outside = append(s.Outside, p)
		}
	}
	for link, fault := range c.network.Faults() {
		s.Links = append(s.Links, LinkStatus{link, fault})
	}
	s.Flapping = c.flapping()
	wg.Wait()
	return s
}

// health is the edge's own word, or the processes that are missing.
func (c *Cluster) health(ctx context.Context, r *RegionStatus, admin string) (bool, string) {
	switch {
	case r.CutOff:
		return false, "cut off"
	case !r.Alive:
		return false, "lost"
	}
	for _, p := range r.Processes {
		if !p.Running {
			return false, strings.TrimPrefix(p.Name, string(r.Name)+"/") + " does not run"
		}
		if p.Paused {
			return false, strings.TrimPrefix(p.Name, string(r.Name)+"/") + " hangs"
		}
	}
	if c.opts.bare {
		return true, ""
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := healthy(ctx, admin); err != nil {
		return false, err.Error()
	}
	return true, ""
}

// Memory is the proportional set size, in bytes, of this process and all that descend from it: shared pages
// count once.
func (c *Cluster) Memory() (int64, error) {
	processes, err := procfs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("cluster: processes: %w", err)
	}
	parents := map[int]int{}
	for _, p := range processes {
		if stat, err := p.Stat(); err == nil { // else it has just ended
			parents[p.PID] = stat.PPID
		}
	}
	var total uint64
	for _, p := range processes {
		if !descends(parents, p.PID, os.Getpid()) {
			continue
		}
		memory, err := p.ProcSMapsRollup()
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // it has just ended
			return 0, fmt.Errorf("cluster: memory: %w", err)
		}
		total += memory.Pss
	}
	return int64(total), nil
}

func descends(parents map[int]int, pid, ancestor int) bool {
	for ; pid > 1; pid = parents[pid] {
		if pid == ancestor {
			return true
		}
	}
	return false
}

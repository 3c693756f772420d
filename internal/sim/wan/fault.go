package wan

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Kind is what can be wrong with a link.
type Kind string

// The faults of a link.
const (
	Blackhole Kind = "blackhole" // what is sent is lost; connections stay open and new ones open
	Cut       Kind = "cut"       // connections are closed and new ones refused, in both directions
	Slow      Kind = "slow"      // what is sent takes longer
)

// Fault is what is wrong with a link.
type Fault struct {
	Kind  Kind          `json:"kind"`
	Extra time.Duration `json:"extra"` // of Slow: how much longer, on this way
}

// Break puts a fault on one direction between two regions, in place of one that it had.
func (n *Network) Break(l Link, f Fault) error {
	_, from := n.plan.Lookup(l.From)
	_, to := n.plan.Lookup(l.To)
	switch {
	case !from || !to || l.From == l.To:
		return fmt.Errorf("%w: %s and %s", ErrUnknownLink, l.From, l.To)
	case f.Kind != Blackhole && f.Kind != Cut && f.Kind != Slow:
		return fmt.Errorf("wan: unknown fault %q", f.Kind)
	case f.Kind == Slow && f.Extra <= 0:
		return fmt.Errorf("wan: slow by %s is no fault", f.Extra)
	}
	return n.change(func() { n.faults[l] = f })
}

// Dead says whether nothing listens at an endpoint (host:port), because its process died or did not start yet.
// Other regions' connections to it are closed and refused then, as the host of a dead process does.
func (n *Network) Dead(addr string, dead bool) error {
	return n.change(func() { n.dead[addr] = dead })
}

// Rejoin restores every link to and from a region. Connections that lost data are closed.
func (n *Network) Rejoin(name regions.Name) error {
	return n.change(func() {
		maps.DeleteFunc(n.faults, func(l Link, _ Fault) bool { return l.From == name || l.To == name })
	})
}

// Faults returns what is wrong now.
func (n *Network) Faults() map[Link]Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.faults)
}

// change changes what is wrong, and brings every pipe to it.
func (n *Network) change(edit func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	edit()
	var errs []error
	for _, p := range n.pipes {
		stop := n.dead[p.proxy.Upstream]
		for l, stream := range p.streams {
			stop = stop || n.faults[l].Kind == Cut
			errs = append(errs, p.set(stream, n.faults[l]))
		}
		errs = append(errs, p.stop(stop))
	}
	return errors.Join(errs...)
}

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

const faultToxic = "fault_" // and the stream

// Break puts a fault on one direction between two regions, in place of one that it had.
func (n *Network) Break(l Link, f Fault) error {
	switch {
	case f.Kind != Blackhole && f.Kind != Cut && f.Kind != Slow:
		return fmt.Errorf("wan: unknown fault %q", f.Kind)
	case f.Kind == Slow && f.Extra <= 0:
		return fmt.Errorf("wan: slow by %s is no fault", f.Extra)
	}
	if err := n.Restore(l); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults[l] = f
	return n.each(l, func(p *pipe, stream string) error {
		switch f.Kind {
		case Blackhole:
			return p.add(faultToxic+stream, "timeout", stream, map[string]int64{"timeout": 0})
		case Slow:
			return p.add(faultToxic+stream, "latency", stream, map[string]int64{"latency": millis(f.Extra)})
		default:
			p.cut = true
			return p.apply()
		}
	})
}

// Restore takes the fault off one direction between two regions. Connections that lost data are closed.
func (n *Network) Restore(l Link) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.faults, l)
	back := n.faults[Link{l.To, l.From}]
	return n.each(l, func(p *pipe, stream string) error {
		p.cut = p.cut && back.Kind == Cut
		return errors.Join(p.apply(), p.remove(faultToxic+stream))
	})
}

// Dead says whether nothing listens at an endpoint (host:port), because its process died or did not start yet.
// Other regions' connections to it are closed and refused then, as the host of a dead process does.
func (n *Network) Dead(addr string, dead bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, p := range n.pipes {
		if p.proxy.Upstream == addr {
			p.dead = dead
			errs = append(errs, p.apply())
		}
	}
	return errors.Join(errs...)
}

// Rejoin restores every link to and from a region.
func (n *Network) Rejoin(name regions.Name) error {
	if _, ok := n.plan.Lookup(name); !ok {
		return fmt.Errorf("%w: %s", ErrUnknownLink, name)
	}
	var errs []error
	for _, other := range n.plan.Regions {
		if other.Name != name {
			errs = append(errs, n.Restore(Link{name, other.Name}), n.Restore(Link{other.Name, name}))
		}
	}
	return errors.Join(errs...)
}

// Faults returns what is wrong now.
func (n *Network) Faults() map[Link]Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.faults)
}

// each runs do for every pipe with a stream that the link carries. n.mu is held.
func (n *Network) each(l Link, do func(p *pipe, stream string) error) error {
	found := false
	for _, p := range n.pipes {
		stream, ok := p.stream(l)
		if !ok {
			continue
		}
		found = true
		if err := do(p, stream); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: %s and %s", ErrUnknownLink, l.From, l.To)
	}
	return nil
}

package wan

import (
	"errors"
	"fmt"
)

// Door is a way to one address that costs nothing until it is lost: what is sent through it then vanishes, both
// ways, while connections stay open. It is safe for concurrent use.
type Door struct{ pipe *pipe }

// OpenDoor opens a door to an address (host:port), on a loopback address of its own.
func OpenDoor(to string) (*Door, error) {
	d := &Door{newPipe("127.0.0.1:0", to)}
	if err := d.pipe.proxy.Start(); err != nil {
		return nil, fmt.Errorf("wan: door to %s: %w", to, err)
	}
	return d, nil
}

// Addr is where the door is entered, host:port.
func (d *Door) Addr() string { return d.pipe.proxy.Listen }

// Lose makes what is sent through the door vanish.
func (d *Door) Lose() error { return d.set(Fault{Kind: Blackhole}) }

// Restore makes the door well. Connections that lost data are closed.
func (d *Door) Restore() error { return d.set(Fault{}) }

func (d *Door) set(f Fault) error {
	return errors.Join(d.pipe.set("upstream", f), d.pipe.set("downstream", f))
}

// Close cuts every connection and stops listening.
func (d *Door) Close() { d.pipe.proxy.Stop() }

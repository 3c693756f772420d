package wan

import (
	"fmt"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Door is a way to one address that costs nothing until it is lost: what is sent through it then vanishes, both
// ways, while connections stay open. It is safe for concurrent use.
type Door struct{ pipe pipe }

// OpenDoor opens a door to an address (host:port), on a loopback address of its own.
func OpenDoor(to string) (*Door, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	d := &Door{pipe{proxy: toxiproxy.NewProxy(server, "door to "+to, "127.0.0.1:0", to)}}
	if err := d.pipe.proxy.Start(); err != nil {
		return nil, fmt.Errorf("wan: door to %s: %w", to, err)
	}
	return d, nil
}

// Addr is where the door is entered, host:port.
func (d *Door) Addr() string { return d.pipe.proxy.Listen }

// Lose makes what is sent through the door vanish.
func (d *Door) Lose() error {
	for _, stream := range doorStreams {
		if err := d.pipe.add(faultToxic+stream, "timeout", stream, map[string]int64{"timeout": 0}); err != nil {
			return err
		}
	}
	return nil
}

// Restore makes the door well. Connections that lost data are closed.
func (d *Door) Restore() error {
	for _, stream := range doorStreams {
		if err := d.pipe.remove(faultToxic + stream); err != nil {
			return err
		}
	}
	return nil
}

// Close cuts every connection and stops listening.
func (d *Door) Close() { d.pipe.proxy.Stop() }

var doorStreams = [...]string{"upstream", "downstream"}

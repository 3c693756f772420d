package app

import (
	"context"
	"net"

	"github.com/meridian-commerce/meridian/internal/account/accountrpc"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/discovery"
)

// openKeys reads the keys of access tokens, and keeps them fresh.
func (p *process) openKeys() (*accountrpc.Keys, error) {
	keys, err := accountrpc.OpenKeys(p.config.Auth, clock.System(), p.telemetry.Logger)
	if err != nil {
		return nil, err
	}
	p.background = append(p.background, keys.Watch)
	return keys, p.registerRefused("auth.keys_file", keys.Refused)
}

// says is what a process tells about its keys in Consul, where `meridian keys rotate` looks.
func says(keys *accountrpc.Keys) func() map[string]string {
	return func() map[string]string { return keys.Standing().Metadata() }
}

// register has the region's Consul list the process until it drains. Without a Consul nothing does.
func (p *process) register(ctx context.Context, in discovery.Instance) error {
	c := p.config
	if c.Consul.Address == "" {
		return nil
	}
	in.ID = c.Instance
	in.Region = c.Region
	in.ReadyURL = "http://" + net.JoinHostPort(splitHost(c.AdminListen)) + "/readyz"
	in.Logger = p.telemetry.Logger
	registration, err := discovery.Register(context.WithoutCancel(ctx), c.Consul.Address, in)
	if err != nil {
		return err
	}
	p.leave = func(ctx context.Context) {
		if err := registration.Deregister(ctx); err != nil {
			p.telemetry.Logger.WarnContext(ctx, "could not leave Consul; its check will notice", "error", err)
		}
	}
	return nil
}

// reachable is where an edge is, for people to see: nobody calls it by what Consul lists, so one that listens on every
// address need not be told another. Consul takes none that means all of them.
func (p *process) reachable() string {
	host, port, err := net.SplitHostPort(p.config.Advertise)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host, _ = splitHost(p.config.AdminListen)
		return net.JoinHostPort(host, port)
	}
	return p.config.Advertise
}

func splitHost(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		return "127.0.0.1", port
	}
	return host, port
}

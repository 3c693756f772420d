package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
)

// ErrAddressInUse says that another process listens where the simulation must.
var ErrAddressInUse = errors.New("cluster: address in use")

// A simulation that was killed an instant ago may still be vanishing.
const addressPatience = 3 * time.Second

// addresses lists where a simulation listens.
func addresses(p *topology.Plan) []string {
	all := append([]string{p.Database, p.Provider, p.ProviderAdmin, p.Control}, wan.Addresses(p)...)
	for _, r := range p.Regions {
		all = append(all, r.Consul, r.Redis, r.Gateway, r.Bus, r.Edge, r.EdgeAdmin)
		for _, port := range []string{"8300", "8301", "8302"} { // Consul's RPC and gossip
			all = append(all, net.JoinHostPort(r.Host, port))
		}
		for _, s := range r.Stacks {
			all = append(all, s.Addr, s.Admin)
		}
	}
	return all
}

// checkAddresses reports the first addresses that others hold, and who they are.
func checkAddresses(ctx context.Context, addrs []string) error {
	deadline := time.Now().Add(addressPatience)
	for {
		taken := slices.DeleteFunc(slices.Clone(addrs), func(addr string) bool { return free(ctx, addr) })
		if len(taken) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s is held by %s (%d of %d addresses are taken); stop it, or choose another --net",
				ErrAddressInUse, taken[0], holder(taken[0]), len(taken), len(addrs))
		}
		if err := clock.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func free(ctx context.Context, addr string) bool {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return !errors.Is(err, syscall.EADDRINUSE)
	}
	_ = l.Close()
	return true
}

// holder names the process that listens at an address, as far as this user may know.
func holder(addr string) string {
	inode, err := listener(addr)
	if err != nil {
		return "an unknown process"
	}
	processes, _ := procfs.AllProcs() // without any, it is not known whose it is
	for _, p := range processes {
		open, err := p.FileDescriptorTargets()
		if err != nil || !slices.Contains(open, fmt.Sprintf("socket:[%d]", inode)) {
			continue
		}
		command, _ := p.CmdLine() // a courtesy
		return fmt.Sprintf("process %d (%s)", p.PID, strings.Join(command, " "))
	}
	return "another user's process"
}

// listening is the kernel's number for the state of a socket that takes connections.
const listening = 0x0A

// listener returns the inode of the socket that listens at an address: on its host or on all hosts.
func listener(addr string) (uint64, error) {
	want, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	kernel, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	sockets, err := kernel.NetTCP() //nolint:staticcheck // SA1019: its successor, netlink, is a library of its own for this one look
	for _, s := range sockets {
		host, _ := netip.AddrFromSlice(s.LocalAddr) // the kernel's own
		if s.St == listening && s.LocalPort == uint64(want.Port()) && (host.Unmap() == want.Addr() || host.IsUnspecified()) {
			return s.Inode, nil
		}
	}
	return 0, errors.Join(os.ErrNotExist, err)
}

package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

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
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		cmdline, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err != nil {
			return "process " + pid
		}
		return "process " + pid + " (" + strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " ")) + ")"
	}
	return "another user's process"
}

// listener returns the inode of the socket that listens at an address: on its host or on all hosts.
func listener(addr string) (string, error) {
	want, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "", err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" { // LISTEN
			continue
		}
		if host, port, ok := parseSocket(fields[1]); ok && port == want.Port() && (host == want.Addr() || host.IsUnspecified()) {
			return fields[9], nil
		}
	}
	return "", os.ErrNotExist
}

// parseSocket reads the kernel's notation: the host's bytes in this machine's order, a colon, the port.
func parseSocket(s string) (netip.Addr, uint16, bool) {
	hexHost, hexPort, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(hexHost)
	port, errPort := strconv.ParseUint(hexPort, 16, 16)
	if err != nil || errPort != nil || len(b) != 4 {
		return netip.Addr{}, 0, false
	}
	slices.Reverse(b) // little-endian
	return netip.AddrFrom4([4]byte(b)), uint16(port), true
}

// Package nettest gives tests loopback addresses that nobody else takes, whatever runs beside them on the machine: not
// another test, not another run of the same one. A port that was listened at and closed is no such address, since the
// kernel gives it to whoever asks next.
package nettest

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// Address returns a loopback host:port at which the test's own servers can listen, in this process or another, one
// after the other. Nobody else can until the test ends, and while none of them listens connections are refused.
func Address(t testing.TB) string {
	t.Helper()
	address, release, err := reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// reserve binds a socket that never listens. By SO_REUSEADDR, which servers set too, one of them can listen there
// nevertheless; the kernel gives such a port to nobody who asks for any.
func reserve() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("nettest: socket: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		release()
		return "", nil, fmt.Errorf("nettest: reuse address: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		release()
		return "", nil, fmt.Errorf("nettest: bind: %w", err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		release()
		return "", nil, fmt.Errorf("nettest: bound where: %w", err)
	}
	at, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		release()
		return "", nil, fmt.Errorf("nettest: bound at a %T", bound)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String(), release, nil
}

// Networks that Network gives away. Simulations that people start have small numbers.
const (
	firstNetwork = 100
	lastNetwork  = 250
)

// Network returns the number n of a loopback network 127.n.0.0/16 for servers whose ports are fixed. Until the test
// ends, no other test of any process gets the same.
func Network(t testing.TB) int {
	t.Helper()
	for n := firstNetwork; n <= lastNetwork; n++ {
		// Who listens here has the network. No server of a test has an address at its very end.
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.%d.255.254:1023", n))
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return n
		}
	}
	t.Fatal("nettest: every loopback network is taken")
	return 0
}

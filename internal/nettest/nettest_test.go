package nettest_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// While nobody listens at the address, a connection is refused; servers of the test listen there in turn.
func TestAddress(t *testing.T) {
	t.Parallel()
	address := nettest.Address(t)
	for range 3 {
		if conn, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("nobody listens: %v, %v", conn, err)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				err = conn.Close() // the server closes first, so that its end lingers, as after a crash
			}
			served <- err
		}()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-served, conn.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Who asks for any port never gets one that is reserved, however often the kernel chooses.
func TestAddressIsNobodyElses(t *testing.T) {
	t.Parallel()
	reserved := map[string]bool{}
	for range 200 {
		address := nettest.Address(t)
		if reserved[address] {
			t.Fatalf("%s is reserved twice", address)
		}
		reserved[address] = true
	}
	for range 5000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if reserved[l.Addr().String()] {
			t.Errorf("%s is reserved and given away", l.Addr())
		}
		_ = l.Close()
	}
}

func TestNetworksDiffer(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 5 {
		n := nettest.Network(t)
		if n < 100 || n > 250 || seen[n] {
			t.Errorf("network %d after %v", n, seen)
		}
		seen[n] = true
	}
}

package nettest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Memory is a network within one process, without buffers: a write is done when the other side has read it. In a bubble
// of synctest nothing that passes over it takes any of the bubble's time, so that who waits for a time waits for exactly
// that, however busy the machine is. It is safe for concurrent use.
type Memory struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*memoryListener
	port      uint16 // that was given away last
}

// NewMemory returns a network on which nobody listens.
func NewMemory() *Memory {
	return &Memory{listeners: map[netip.AddrPort]*memoryListener{}}
}

// Listen listens at an ip:port until the listener is closed; port 0 stands for one that was never given away.
func (m *Memory) Listen(address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("nettest: listen: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), m.nextPort())
	}
	if m.listeners[at] != nil {
		return nil, fmt.Errorf("nettest: listen at %s: %w", at, syscall.EADDRINUSE)
	}
	l := &memoryListener{network: m, at: at, dialed: make(chan net.Conn), closed: make(chan struct{})}
	m.listeners[at] = l
	return l, nil
}

// nextPort returns a port. The caller holds mu.
func (m *Memory) nextPort() uint16 {
	m.port++
	return m.port
}

// Dial connects to an ip:port. Where nobody listens, the error is ECONNREFUSED.
func (m *Memory) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("nettest: dial: %w", err)
	}
	m.mu.Lock()
	l := m.listeners[at]
	from := netip.AddrPortFrom(at.Addr(), m.nextPort())
	m.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(at), Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	here, there := net.Pipe()
	select {
	case l.dialed <- &memoryConn{Conn: there, local: at, remote: from}:
		return &memoryConn{Conn: here, local: from, remote: at}, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, fmt.Errorf("nettest: dial: %w", ctx.Err())
	}
}

type memoryListener struct {
	network *Memory
	at      netip.AddrPort
	dialed  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, fmt.Errorf("nettest: accept: %w", net.ErrClosed)
	}
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.at)
	})
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// memoryConn is one end of a connection.
type memoryConn struct {
	net.Conn
	local, remote netip.AddrPort
}

// LocalAddr implements net.Conn.
func (c *memoryConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn.
func (c *memoryConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

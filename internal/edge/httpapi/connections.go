package httpapi

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/geo"
)

const (
	descriptorsKept = 8192 // for the admin port, for stacks, Redis, Consul and files, at most
	networkTimes    = 4    // as many connections as of an address are of a network of many (an IPv6 /56)
)

// Bounds says how many connections a listener holds at a time.
type Bounds struct {
	Total      int                   // of all callers; 0: as many as leave descriptors for everything else
	PerAddress int                   // of one IPv4 address or IPv6 /64, and four times as many of an IPv6 /56; 0: no bound
	Exempt     func(netip.Addr) bool // whose connections are many callers', such as a proxy's; nil: nobody's
	Metrics    prometheus.Registerer // nil: none
}

// Bounded returns a listener that closes what is more than the bounds as soon as it is accepted: a caller who opens
// connections and says nothing takes descriptors and memory from no other. Its error is a second registration.
func Bounded(l net.Listener, b Bounds) (net.Listener, error) {
	if b.Total == 0 {
		b.Total = affordable()
	}
	out := &bounded{Listener: l, bounds: b, of: map[netip.Prefix]int{}, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "meridian", Subsystem: "edge", Name: "connections_refused_total", Help: "Connections that were closed at once, by the bound that was reached.",
	}, []string{"bound"})}
	out.total = out.refused.WithLabelValues("total")
	out.address = out.refused.WithLabelValues("address")
	if b.Metrics == nil {
		return out, nil
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "meridian", Subsystem: "edge", Name: "connections", Help: "Connections of callers that are open.",
	}, func() float64 { return float64(out.open()) })
	for _, c := range []prometheus.Collector{out.refused, open} {
		if err := b.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("httpapi: register metrics: %w", err)
		}
	}
	return out, nil
}

// affordable is how many connections leave descriptors for everything else.
func affordable() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 20 // no limit that is known
	}
	return int(limit.Cur) - min(int(limit.Cur)/2, descriptorsKept)
}

type bounded struct {
	net.Listener
	bounds         Bounds
	refused        *prometheus.CounterVec
	total, address prometheus.Counter

	mu    sync.Mutex
	count int
	of    map[netip.Prefix]int
}

// Accept implements net.Listener.
func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err // a listener's own contract
		}
		networks := l.networks(c.RemoteAddr())
		full := l.enter(networks)
		if full == nil {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(networks) })}, nil
		}
		full.Inc()
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset: the kernel is to remember nothing of it either
		}
		_ = c.Close() // whoever it was is gone for us
	}
}

// networks returns what a connection counts for beside the total: the narrow one first.
func (l *bounded) networks(from net.Addr) []netip.Prefix {
	tcp, ok := from.(*net.TCPAddr)
	if !ok || l.bounds.PerAddress == 0 {
		return nil
	}
	address := tcp.AddrPort().Addr()
	if !address.IsValid() || l.bounds.Exempt != nil && l.bounds.Exempt(address.Unmap().WithZone("")) {
		return nil
	}
	narrow, wide := geo.Subscriber(address, 64), geo.Subscriber(address, 56)
	if narrow == wide {
		return []netip.Prefix{narrow}
	}
	return []netip.Prefix{narrow, wide}
}

// enter counts a connection, or returns the counter of the bound that it would exceed.
func (l *bounded) enter(networks []netip.Prefix) (full prometheus.Counter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= l.bounds.Total {
		return l.total
	}
	for i, n := range networks {
		if most := l.bounds.PerAddress * []int{1, networkTimes}[i]; l.of[n] >= most {
			return l.address
		}
	}
	l.count++
	for _, n := range networks {
		l.of[n]++
	}
	return nil
}

func (l *bounded) leave(networks []netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	for _, n := range networks {
		if l.of[n]--; l.of[n] == 0 {
			delete(l.of, n)
		}
	}
}

func (l *bounded) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close() // a connection's own contract
}

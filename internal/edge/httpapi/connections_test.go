package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
)

// callers is a listener whose connections come from wherever a test says.
type callers chan net.Addr

func (c callers) Accept() (net.Conn, error) {
	from, ok := <-c
	if !ok {
		return nil, net.ErrClosed
	}
	ours, theirs := net.Pipe()
	return fromAddr{ours, theirs, from}, nil
}
func (c callers) Addr() net.Addr { return &net.TCPAddr{} }
func (c callers) Close() error   { return nil }

type fromAddr struct {
	net.Conn
	other net.Conn
	from  net.Addr
}

func (c fromAddr) RemoteAddr() net.Addr { return c.from }

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		bounds   Bounds
		from     []string
		accepted []int // indexes
	}{
		{"all alike", Bounds{Total: 2, PerAddress: 9}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []int{0, 1}},
		{"an address", Bounds{Total: 9, PerAddress: 2}, []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, []int{0, 1, 3}},
		{"written as IPv6", Bounds{Total: 9, PerAddress: 1}, []string{"192.0.2.1", "::ffff:192.0.2.1"}, []int{0}},
		{"one /64", Bounds{Total: 9, PerAddress: 1}, []string{"2001:db8::1", "2001:db8::2:0:0:1"}, []int{0}},
		{
			"one /56", Bounds{Total: 99, PerAddress: 1},
			[]string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "2001:db8:0:4::1", "2001:db8:0:100::1"}, []int{0, 1, 2, 3, 5},
		},
		{"a proxy", Bounds{Total: 9, PerAddress: 1, Exempt: func(a netip.Addr) bool { return a.String() == "10.0.0.1" }}, []string{"10.0.0.1", "10.0.0.1"}, []int{0, 1}},
		{"no bound", Bounds{Total: 9}, []string{"192.0.2.1", "192.0.2.1"}, []int{0, 1}},
	} {
		inner := make(callers, len(c.from))
		l, err := Bounded(inner, c.bounds)
		if err != nil {
			t.Fatal(err)
		}
		for i, from := range c.from {
			inner <- &net.TCPAddr{IP: net.ParseIP(from), Port: i}
		}
		close(inner)
		var accepted []int
		var open []net.Conn
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				break
			}
			open = append(open, conn)
			accepted = append(accepted, conn.RemoteAddr().(*net.TCPAddr).Port) //nolint:errcheck // a test's own
		}
		if len(accepted) != len(c.accepted) {
			t.Errorf("%s: %v of %v were accepted, want %v", c.name, accepted, c.from, c.accepted)
			continue
		}
		for i := range accepted {
			if accepted[i] != c.accepted[i] {
				t.Errorf("%s: %v of %v were accepted, want %v", c.name, accepted, c.from, c.accepted)
			}
		}
		for _, conn := range open {
			_, _ = conn.Close(), conn.Close() // net/http closes twice
		}
		b := l.(*bounded) //nolint:errcheck // as above
		if b.count != 0 || len(b.of) != 0 {
			t.Errorf("%s: once all are closed, %d and %v are counted", c.name, b.count, b.of)
		}
	}
}

func TestDescriptorsAreKept(t *testing.T) {
	t.Parallel()
	if n := affordable(); n < 1 {
		t.Errorf("a bound of %d", n)
	}
}

// TestIdleConnectionsAreCheap: what a caller holds who has asked once and says nothing more, over either protocol. It is
// 20 KiB in clear text, 29 by TLS and 36 over HTTP/2; the race detector's stack frames make it a quarter more.
func TestIdleConnectionsAreCheap(t *testing.T) { //nolint:paralleltest // it measures the process's memory
	const connections = 400
	const most = 48 << 10
	certificate := httptest.NewTLSServer(nil)
	defer certificate.Close()
	for name, secure := range map[string]*tls.Config{"clear": nil, "TLS": {Certificates: certificate.TLS.Certificates}} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			if secure == nil && protocol == "h2" {
				continue
			}
			s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }), secure, slog.New(slog.DiscardHandler))
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = s.Serve(l) }() // until Close
			before := memory()
			var open []net.Conn
			for range connections {
				open = append(open, connected(t, l.Addr().String(), protocol, secure != nil))
			}
			each := (memory() - before) / connections
			t.Logf("%s, %s: %d bytes", name, protocol, each)
			if each > most {
				t.Errorf("%s, %s: an idle connection holds %d bytes, more than %d", name, protocol, each, most)
			}
			for _, c := range open {
				_ = c.Close()
			}
			_ = s.Close()
		}
	}
}

// memory is what is held once the stacks that a handshake needed are small again, by half at each collection.
func memory() int64 {
	for range 6 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// connected opens a connection, makes a request on it and reads the answer. What it returns holds nothing else on this side.
func connected(t *testing.T, addr, protocol string, secure bool) net.Conn {
	t.Helper()
	raw, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := raw
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	}
	if protocol == "h2" {
		// The preface, empty settings, and GET / as HPACK's static table has it, with an authority of "a".
		_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x84\x87\x41\x01a")
		for err == nil {
			head := make([]byte, 9)
			if _, err = io.ReadFull(c, head); err != nil {
				break
			}
			if _, err = io.CopyN(io.Discard, c, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); head[3] == 0 && head[4]&1 == 1 { // DATA, END_STREAM
				break
			}
		}
	} else {
		if _, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err == nil {
			var res *http.Response
			if res, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

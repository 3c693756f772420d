package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// naive makes a port be served by a mistaken server in front of the same edge, one connection after the other.
func naive(t *testing.T, serve func(c net.Conn, edge http.Handler)) *port {
	t.Helper()
	p := newPort(t, nil)
	l := p.listen(t, "127.0.0.2:0")
	p.addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c, p.edge.Handler())
			_ = c.Close()
		}
	}()
	return p
}

// lengthsAlone reads HTTP/1.1 with a mistake: whatever is said of chunks, a body is as long as its Content-Length, and what
// follows is the next request.
func lengthsAlone(c net.Conn, edge http.Handler) {
	_ = c.SetDeadline(time.Now().Add(time.Second)) // a mistake is found sooner or not at all
	for in := bufio.NewReader(c); ; {
		head, err := in.ReadString('\n')
		if err != nil {
			return
		}
		length := 0
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
		}
		body := make([]byte, max(0, length))
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		method, rest, _ := strings.Cut(head, " ")
		target, _, _ := strings.Cut(rest, " ")
		to, err := url.Parse(target)
		if err != nil || method == "" {
			return
		}
		edge.ServeHTTP(httptest.NewRecorder(), &http.Request{
			Method: method, URL: to, Host: "x", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "192.0.2.1:1",
		})
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

// textually reads HTTP/2 with a mistake: it writes names and values into HTTP/1.1 as they are, and has that read.
func textually(c net.Conn, edge http.Handler) {
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(c, c)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		headers, ok := frame.(*http2.HeadersFrame)
		if !ok {
			continue
		}
		fields, err := hpack.NewDecoder(4096, nil).DecodeFull(headers.HeaderBlockFragment())
		if err != nil {
			return
		}
		pseudo, text := map[string]string{}, ""
		for _, f := range fields {
			if strings.HasPrefix(f.Name, ":") {
				pseudo[f.Name] = f.Value
				continue
			}
			text += f.Name + ": " + f.Value + "\r\n"
		}
		near, far := net.Pipe()
		go func() {
			_, _ = fmt.Fprintf(near, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", pseudo[":method"], pseudo[":path"], pseudo[":authority"], text)
			_, _ = io.Copy(io.Discard, near)
		}()
		go func() { time.Sleep(100 * time.Millisecond); _ = near.Close() }() // what is not read by then is no request
		lengthsAlone(far, edge)
		var answer bytes.Buffer
		_ = hpack.NewEncoder(&answer).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: headers.StreamID, BlockFragment: answer.Bytes(), EndHeaders: true, EndStream: true})
	}
}

// TestMistakesOfServersAreFound: the corpora are no use if a server that errs passes them.
func TestMistakesOfServersAreFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"CL.TE", "two lengths", "no host"} {
		if ambiguities()[name].try(t, naive(t, lengthsAlone)) == "" {
			t.Errorf("%s: a server that looks at lengths alone passes", name)
		}
	}
	for _, name := range []string{"a line end in the path", "a line end in a value", "a connection header", "two paths"} {
		if downgrades()[name].try(t, naive(t, textually)) == "" {
			t.Errorf("%s: a server that writes what it reads passes", name)
		}
	}
}

// lossy is a listener whose connections lose the first byte that comes after the first read: a mistaken handover.
type lossy struct{ net.Listener }

func (l lossy) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &lossyConn{Conn: c}, err
}

type lossyConn struct {
	net.Conn
	reads int
}

func (c *lossyConn) Read(b []byte) (int, error) {
	if c.reads++; c.reads == 2 {
		if _, err := c.Conn.Read(make([]byte, 1)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

// TestALostByteIsFound is that for requests in pieces.
func TestALostByteIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := nettest.NewMemory()
		var server *http.Server
		p := newPortOn(t, network, func(_ *site, s *http.Server) { server = s })
		reference := record(t, p.listen(t, "127.0.0.2:0"))
		text := pipelined()["three requests"]
		pieces(t, network, reference.addr, text, 0)
		l := p.listen(t, "127.0.0.2:0")
		p.addr = l.Addr().String()
		go func() { _ = server.Serve(lossy{l}) }()
		pieces(t, network, p.addr, text, strings.Index(text, "GET /c"))
		if cmp.Diff(reference.seen, p.reached()) == "" {
			t.Error("a handover that loses a byte passes")
		}
	})
}

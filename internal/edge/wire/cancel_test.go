package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errEnough = errors.New("enough")

// TestCancel: the context's end is the exchange's, while the head is waited for and while the body is, and its cause is
// the error; it does nothing to an exchange that is over.
func TestCancel(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 9)
	ended := make(chan struct{}, 9)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/quick" {
			return
		}
		if r.URL.Path == "/body" {
			_ = http.NewResponseController(w).Flush()
		}
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}, start)
	p := newTransport(t, nil)
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-begun; cancel(errEnough) }()
		r := request(t, s.host(), func(r *http.Request) { r.URL.Path = path })
		if _, err := send(p, r.WithContext(ctx)); !errors.Is(err, errEnough) {
			t.Errorf("%s: canceled while it is waited for: %v", path, err)
		}
		<-ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, s.host(), func(r *http.Request) { r.URL.Path = "/quick" })
	if _, err := send(p, r.WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	before := s.conns.Load()
	cancel()
	if _, err := send(p, r); err != nil || s.conns.Load() != before {
		t.Errorf("canceling what was over closed a kept connection (%v)", err)
	}
	if _, err := send(p, r.WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was canceled before: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	refused := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	var dial *DialError
	p := newTransport(t, func(c *Config) { c.Dial = refused })
	if _, err := send(p, request(t, "stack:80", nil)); !errors.As(err, &dial) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

// TestTLS: connections are secured, kept, and refused when the stack is not who it should be, before anything is
// sent.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto, r.TLS != nil) }, (*httptest.Server).StartTLS)
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig //nolint:errcheck // as httptest says
	p := newTransport(t, func(c *Config) { c.TLS = trust })
	for range 3 {
		if got, err := send(p, request(t, s.host(), withBody(strings.Repeat("x", 50_000)))); err != nil || got.body != "HTTP/1.1true" {
			t.Errorf("got %q, %v", got.body, err)
		}
	}
	if s.conns.Load() != 1 {
		t.Errorf("%d connections for three requests", s.conns.Load())
	}
	other := trust.Clone()
	other.ServerName = "another.example"
	var dial *DialError
	if _, err := send(newTransport(t, func(c *Config) { c.TLS = other }), request(t, s.host(), nil)); !errors.As(err, &dial) {
		t.Errorf("a stack with another name: %v", err)
	}
	silent, _ := raw(t, "", false)
	if _, err := send(newTransport(t, func(c *Config) { c.TLS = trust; c.Handshake = 20 * time.Millisecond }), request(t, silent, nil)); !errors.As(err, &dial) {
		t.Errorf("a stack that does not shake hands: %v", err)
	}
}

// TestUnasked: an answer that nobody asked for closes its connection, however it comes, and is never another request's.
func TestUnasked(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
	for name, say := range map[string]func(http.ResponseWriter, net.Conn){
		"in one write": func(_ http.ResponseWriter, c net.Conn) { _, _ = io.WriteString(c, answer+stray) },
		"in a second one": func(_ http.ResponseWriter, c net.Conn) {
			_, _ = io.WriteString(c, answer)
			_, _ = io.WriteString(c, stray)
		},
		"behind more than a buffer": func(_ http.ResponseWriter, c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", readBuffer)+"\r\nContent-Length: 4\r\n\r\nbody")
			_, _ = io.WriteString(c, stray)
		},
	} {
		for how, begin := range map[string]func(*httptest.Server){"clear": start, "TLS": (*httptest.Server).StartTLS} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				said := make(chan struct{}, 9)
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					c, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					t.Cleanup(func() { _ = c.Close() })
					say(w, c)
					said <- struct{}{}
				}, begin)
				p := newTransport(t, func(c *Config) {
					if how == "TLS" {
						c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig //nolint:errcheck // as httptest says
					}
				})
				for i := range 5 {
					got, err := send(p, request(t, s.host(), withBody("{}")))
					<-said // what was said is here, since this is one machine
					if err != nil || got.body != "body" {
						t.Errorf("request %d: got %q, %v", i, got.body, err)
					}
				}
				if n := s.conns.Load(); n != 5 {
					t.Errorf("%d connections for five requests", n)
				}
			})
		}
	}
}

// TestEarlyAnswers: a stack that answers before it read the request is heard, and its connection not kept.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 1024))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_ = c.Close() // with most of the request unread, so that the connection is reset behind the answer
	}()
	p := newTransport(t, nil)
	p.early = time.Hour // the answer is here, however late it is looked for
	got, err := send(p, request(t, l.Addr().String(), withBody(strings.Repeat("x", 32<<20))))
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusRequestEntityTooLarge || p.idleOf(l.Addr().String()) != 0 {
		t.Errorf("got %d, and %d connections are kept", got.status, p.idleOf(l.Addr().String()))
	}
}

// TestMalformed: what could be read as something else than one request is not sent.
func TestMalformed(t *testing.T) {
	t.Parallel()
	p := newTransport(t, func(c *Config) {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("it connects")
			return nil, net.ErrClosed
		}
	})
	for name, change := range map[string]func(*http.Request){
		"a method":         func(r *http.Request) { r.Method = "GET /" },
		"no method":        func(r *http.Request) { r.Method = "" },
		"a query":          func(r *http.Request) { r.URL.RawQuery = " HTTP/1.1\r\nX: y" },
		"bytes":            func(r *http.Request) { r.URL.RawQuery = "\xe9" },
		"no path":          func(r *http.Request) { r.URL.Opaque = "x" },
		"a host":           func(r *http.Request) { r.Host = "x\r\nY: z" },
		"a header's name":  func(r *http.Request) { r.Header = http.Header{"X: y\r\nZ": {"1"}} },
		"a header's value": func(r *http.Request) { r.Header = http.Header{"X": {"1\r\nY: z"}} },
		"no length":        func(r *http.Request) { r.ContentLength = -1 },
		"a trailer":        func(r *http.Request) { r.Trailer = http.Header{"X": nil} },
	} {
		if _, err := send(p, request(t, "127.0.0.1:1", change)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, cfg := range map[string]Config{
		"no dialer": {IdleTimeout: time.Second}, "no idle time": {Dialer: p.cfg.Dialer}, "negative": {Dialer: p.cfg.Dialer, IdleTimeout: 1, MaxIdle: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: a transport is made of it", name)
		}
	}
}

// TestIdleConnectionsEnd: nothing is kept for longer than it may be.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		p := newTransport(t, func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					r := bufio.NewReader(there)
					_, _ = http.ReadRequest(r)
					_, _ = io.WriteString(there, "HTTP/1.1 204 No Content\r\n\r\n")
					_, err := r.ReadByte()
					ended <- err
				}()
				return here, nil
			}
		})
		if _, err := send(p, request(t, "stack:80", nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if p.idleOf("stack:80") != 1 {
			t.Error("it is not kept")
		}
		begin := time.Now()
		if err := <-ended; !errors.Is(err, io.EOF) || time.Since(begin) > time.Minute {
			t.Errorf("it ended with %v after %v more", err, time.Since(begin))
		}
	})
}

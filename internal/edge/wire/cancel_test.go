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

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// TestAwait waits in steps for an answer that is late.
func TestAwait(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, "late")
	}, start)
	x, err := newPool(t, nil).Send(t.Context(), s.host(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if began, err := x.Await(time.Now().Add(5 * time.Millisecond)); began || err != nil {
			t.Fatalf("before the answer: %v, %v", began, err)
		}
	}
	close(release)
	if began, err := x.Await(time.Time{}); !began || err != nil {
		t.Fatalf("got %v, %v", began, err)
	}
	res, err := x.Answer(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); string(body) != "late" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestCancel: it ends waiting and reading, and does nothing to an exchange that is over.
func TestCancel(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 9), make(chan struct{}, 9)
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
	p := newPool(t, nil)
	for _, path := range []string{"/head", "/body"} {
		r := request(nil)
		r.Target = path
		x, err := p.Send(t.Context(), s.host(), r)
		if err != nil {
			t.Fatal(err)
		}
		cancel := func() { <-begun; x.Cancel() }
		if path == "/head" {
			go cancel()
		}
		res, err := x.Answer(time.Time{})
		if path == "/body" {
			if err != nil {
				t.Fatal(err)
			}
			go cancel()
			_, err = res.Body.Read(make([]byte, 1))
			_ = res.Body.Close()
		}
		if !errors.Is(err, ErrCanceled) {
			t.Errorf("%s: canceled while it is waited for: %v", path, err)
		}
		<-ended
	}
	r := request(nil)
	r.Target = "/quick"
	x, err := p.Send(t.Context(), s.host(), r)
	if err != nil {
		t.Fatal(err)
	}
	res, err := x.Answer(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	before := s.conns.Load()
	x.Cancel()
	do(t, p, s.host(), r)
	if s.conns.Load() != before {
		t.Error("canceling what was over closed a kept connection")
	}
}

// TestLateHead: an answer that begins, and whose head does not end in time.
func TestLateHead(t *testing.T) {
	t.Parallel()
	addr, _ := raw(t, "HTTP/1.1 200 OK\r\nX: ", false)
	x, err := newPool(t, nil).Send(t.Context(), addr, request(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Answer(time.Now().Add(20 * time.Millisecond)); !isDeadline(err) { //nolint:bodyclose // there is none
		t.Errorf("got %v", err)
	}
}

func isDeadline(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	addr := nettest.Address(t)
	var dial *DialError
	if _, err := newPool(t, nil).Send(t.Context(), addr, request(nil)); !errors.As(err, &dial) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newPool(t, nil).Send(ctx, addr, request(nil)); !errors.As(err, &dial) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestTLS: connections are secured, kept, and refused when the stack is not who it should be, before anything is
// sent.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto, r.TLS != nil) }, (*httptest.Server).StartTLS)
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig //nolint:errcheck,forcetypeassert // as httptest says
	p := newPool(t, func(c *Config) { c.TLS = trust })
	for range 3 {
		p.age(time.Second)
		if got := do(t, p, s.host(), request(withBody(strings.Repeat("x", 50_000)))).body; got != "HTTP/1.1true" {
			t.Errorf("got %q", got)
		}
	}
	if s.conns.Load() != 1 {
		t.Errorf("%d connections for three requests", s.conns.Load())
	}
	other := trust.Clone()
	other.ServerName = "another.example"
	var dial *DialError
	if _, err := newPool(t, func(c *Config) { c.TLS = other }).Send(t.Context(), s.host(), request(nil)); !errors.As(err, &dial) {
		t.Errorf("a stack with another name: %v", err)
	}
	silent, _ := raw(t, "", false)
	if _, err := newPool(t, func(c *Config) { c.TLS, c.HandshakeTimeout = trust, 20*time.Millisecond }).Send(t.Context(), silent, request(nil)); !errors.As(err, &dial) {
		t.Errorf("a stack that does not shake hands: %v", err)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = fmt.Fprintf(b, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nhello ", r.Header.Get("Upgrade"))
		_ = b.Flush()
		_, _ = io.Copy(c, b)
	}, start)
	x, err := newPool(t, nil).Send(t.Context(), s.host(), request(func(r *Request) { r.Upgrade = "websocket" }))
	if err != nil {
		t.Fatal(err)
	}
	res, err := x.Answer(time.Now().Add(30 * time.Second)) //nolint:bodyclose // both closes it, at the end
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %v, %v", res, err)
	}
	both, ok := res.Body.(interface {
		io.ReadWriteCloser
		CloseWrite() error
	})
	if !ok {
		t.Fatal("the connection cannot be written to")
	}
	if _, err := io.WriteString(both, "there"); err != nil {
		t.Fatal(err)
	}
	if err := both.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(both); string(text) != "hello there" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	_ = both.Close()
}

// TestEarlyAnswers: a stack that answers before it read the request is heard, and its connection not kept.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	}, start)
	p := newPool(t, nil)
	endless, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	got := do(t, p, s.host(), request(func(r *Request) { r.Rest, r.Length = endless, -1 }))
	if got.status != http.StatusRequestEntityTooLarge || p.idleOf(s.host()) != 0 {
		t.Errorf("got %d, and %d connections are kept", got.status, p.idleOf(s.host()))
	}
}

// TestBodyBreaks: a request whose body cannot be read to its end is not passed off as whole.
func TestBodyBreaks(t *testing.T) {
	t.Parallel()
	seen := make(chan error, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		seen <- err
	}, start)
	cause := errors.New("the caller left")
	for name, length := range map[string]int64{"chunks": -1, "a length": 100} {
		broken := io.MultiReader(strings.NewReader("half"), errorReader{cause})
		_, err := try(t, newPool(t, nil), s.host(), request(func(r *Request) { r.Method, r.Rest, r.Length = http.MethodPost, broken, length }))
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := <-seen; err == nil {
			t.Errorf("%s: the stack takes half a body for a whole one", name)
		}
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestMalformed(t *testing.T) {
	t.Parallel()
	p := newPool(t, func(c *Config) {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("it connects")
			return nil, net.ErrClosed
		}
	})
	for name, change := range map[string]func(*Request){
		"a method":         func(r *Request) { r.Method = "GET /" },
		"no method":        func(r *Request) { r.Method = "" },
		"a target":         func(r *Request) { r.Target = "/ HTTP/1.1\r\nX: y" },
		"no target":        func(r *Request) { r.Target = "" },
		"a host":           func(r *Request) { r.Host = "x\r\nY: z" },
		"a header's name":  func(r *Request) { r.Header = http.Header{"X: y\r\nZ": {"1"}} },
		"a header's value": func(r *Request) { r.Header = http.Header{"X": {"1\r\nY: z"}} },
		"a length":         func(r *Request) { r.Length = 1 },
		"an upgrade":       func(r *Request) { r.Upgrade = "x\r\ny" },
	} {
		if _, err := p.Send(t.Context(), "127.0.0.1:1", request(change)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, cfg := range map[string]Config{
		"no dialer": {IdleTimeout: time.Second}, "no idle time": {Dial: p.cfg.Dial}, "negative": {Dial: p.cfg.Dial, IdleTimeout: 1, MaxIdle: -1},
	} {
		if _, err := NewPool(cfg); err == nil {
			t.Errorf("%s: a pool is made of it", name)
		}
	}
}

// TestIdleConnectionsEnd: nothing is kept for longer than it may be.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		p := newPool(t, func(c *Config) {
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
		do(t, p, "stack:80", request(nil))
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

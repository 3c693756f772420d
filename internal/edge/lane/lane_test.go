package lane

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// port is a server on loopback.
type port struct {
	addr   string
	handed atomic.Int32 // connections that net/http got
	server *Server
	logged lockedBuffer
}

// lockedBuffer is written to by servers and read by tests.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// open serves h until the test ends; change may change the settings.
func open(t testing.TB, h http.Handler, change func(*http.Server)) *port {
	t.Helper()
	p := &port{}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(&p.logged, nil), slog.LevelInfo)}
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.handed.Add(1)
		}
	}
	if change != nil {
		change(s)
	}
	l := listen(t)
	p.addr, p.server = l.Addr().String(), New(s)
	ended := make(chan error, 1)
	go func() { ended <- p.server.Serve(l) }()
	t.Cleanup(func() {
		_ = p.server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v", err)
		}
	})
	return p
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}

func say(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// reply is an answer as a client sees it.
type reply struct {
	Status  int
	Header  http.Header
	Body    string
	Coding  []string
	Length  int64
	Close   bool
	Trailer http.Header
	Broken  bool // it ended before its end
}

// replies reads answers until the connection ends.
func replies(r *bufio.Reader, methods ...string) (out []reply) {
	for i := 0; ; i++ {
		asked := &http.Request{Method: http.MethodGet}
		if i < len(methods) {
			asked.Method = methods[i]
		}
		one, err := read(r, asked)
		if err != nil {
			return out
		}
		out = append(out, one)
	}
}

func read(r *bufio.Reader, asked *http.Request) (reply, error) {
	res, err := http.ReadResponse(r, asked)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Header.Del("Date")
	return reply{res.StatusCode, res.Header, string(body), res.TransferEncoding, res.ContentLength, res.Close, res.Trailer, err != nil}, nil
}

// echo answers with what it sees.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var header bytes.Buffer
	_ = r.Header.Write(&header)
	_, _ = fmt.Fprintf(w, "%s %s %s %q\n%s%d %v %v %q\n%s %v", r.Method, r.RequestURI, r.Proto, r.Host, header.String(),
		r.ContentLength, r.TransferEncoding, r.Close, r.URL.String(), body, err)
}

const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it did not happen: %s", what)
}

// TestHandOver: plain requests are served here, and from the first other one on net/http serves the connection.
func TestHandOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		parts  []string // are sent one after another, once what came before has arrived
		handed int32
		bodies []string // what each answer ends with
	}{
		"plain":                       {[]string{get, get}, 0, []string{"<nil>", "<nil>"}},
		"pipelined":                   {[]string{get + get + get}, 0, []string{"<nil>", "<nil>", "<nil>"}},
		"a body":                      {[]string{"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" + get}, 0, []string{"body <nil>", "<nil>"}},
		"a body behind its head":      {[]string{"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", "bo", "dy"}, 0, []string{"body <nil>"}},
		"in pieces":                   {[]string{"GET /", "a HTTP/1.1\r\nHo", "st: x\r\n", "\r\n"}, 0, []string{"<nil>"}},
		"in too many pieces":          {strings.Split("G E T / a | H T T P", " "), 1, nil},
		"chunks, later":               {[]string{get, "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", get}, 1, []string{"<nil>", "body <nil>", "<nil>"}},
		"an expectation":              {[]string{"POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", "body"}, 1, []string{"", "body <nil>"}},
		"a long body":                 {[]string{"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("b", 5000)}, 1, []string{"b <nil>"}},
		"another method":              {[]string{"PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb"}, 1, []string{"b <nil>"}},
		"a stream":                    {[]string{"GET /a HTTP/1.1\r\nHost: x\r\nAccept: text/Event-Stream\r\n\r\n"}, 1, []string{"<nil>"}},
		"the end of the connection":   {[]string{"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}, 1, []string{"<nil>"}},
		"HTTP/1.0":                    {[]string{"GET /a HTTP/1.0\r\nHost: x\r\n\r\n"}, 1, []string{"<nil>"}},
		"bare line feeds":             {[]string{"GET /a HTTP/1.1\nHost: x\n\n"}, 1, []string{"<nil>"}},
		"no host":                     {[]string{"GET /a HTTP/1.1\r\n\r\n"}, 1, []string{"400 Bad Request: missing required Host header"}},
		"a bad host":                  {[]string{"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n"}, 1, []string{"400 Bad Request: malformed Host header"}},
		"a path that does not decode": {[]string{"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"}, 1, []string{"400 Bad Request"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, http.HandlerFunc(echo), nil)
			c := dial(t, p.addr)
			if err := c.SetNoDelay(true); err != nil {
				t.Fatal(err)
			}
			for i, part := range tc.parts {
				if say(t, c, part); i+1 < len(tc.parts) {
					time.Sleep(2 * time.Millisecond) // so that it arrives alone; if it does not, less is tested
				}
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got := replies(bufio.NewReader(c))
			if len(got) != len(tc.bodies) && tc.bodies != nil {
				t.Fatalf("%d answers: %v", len(got), got)
			}
			for i := range tc.bodies {
				if !strings.HasSuffix(got[i].Body, tc.bodies[i]) {
					t.Errorf("answer %d is %q", i, got[i].Body)
				}
			}
			eventually(t, "the connections are counted", func() bool { return p.handed.Load() == tc.handed })
		})
	}
}

// TestCallerLeaves: who waits for the context to end learns that the caller left; what arrives meanwhile is the
// next request.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	waits, left := make(chan struct{}), make(chan error, 1)
	release := make(chan struct{})
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context()) // as most that wait do
		defer cancel()
		if r.URL.Path == "/a" {
			_ = ctx.Done()
			waits <- struct{}{}
			<-release
			_, _ = io.WriteString(w, "a")
			return
		}
		waits <- struct{}{}
		<-ctx.Done()
		left <- r.Context().Err()
	}), nil)
	c := dial(t, p.addr)
	say(t, c, get)
	<-waits
	say(t, c, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	release <- struct{}{}
	if got, err := read(bufio.NewReader(c), nil); err != nil || got.Body != "a" {
		t.Fatalf("got %v, %v", got, err)
	}
	<-waits
	_ = c.Close()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
	if p.handed.Load() != 0 {
		t.Error("the connection was handed over")
	}
}

// TestShutdown: what is idle is closed, what is under way is answered, and told that the connection ends.
func TestShutdown(t *testing.T) {
	t.Parallel()
	waits, release := make(chan struct{}), make(chan struct{})
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			waits <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, "done")
	}), nil)
	idle, busy := dial(t, p.addr), dial(t, p.addr)
	say(t, idle, get)
	idleReader := bufio.NewReader(idle)
	if _, err := read(idleReader, nil); err != nil {
		t.Fatal(err)
	}
	say(t, busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-waits
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.server.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown with a request under way: %v", err)
	}
	if _, err := idleReader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.server.Shutdown(context.Background()) }()
	close(release)
	if got := replies(bufio.NewReader(busy)); len(got) != 1 || got[0].Body != "done" || !got[0].Close {
		t.Errorf("the request under way was answered %v", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		_ = c.Close()
		t.Error("it still accepts")
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	p := open(t, http.HandlerFunc(echo), func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = 50*time.Millisecond, 50*time.Millisecond })
	for name, begin := range map[string]string{"silent": "", "half a request": "GET /a HTTP/1.1\r\nHost: x\r\n", "idle": get} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, p.addr)
			say(t, c, begin)
			want := strings.Count(begin, "\r\n\r\n")
			if got := replies(bufio.NewReader(c)); len(got) != want { // returns when the connection is closed
				t.Errorf("%d answers", len(got))
			}
		})
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		if r.URL.Path == "/a" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		panic("by mistake")
	}), nil)
	c := dial(t, p.addr)
	say(t, c, get)
	if got := replies(bufio.NewReader(c)); len(got) != 1 || !got[0].Broken || p.logged.String() != "" {
		t.Errorf("an answer that breaks off: %v, %q", got, p.logged.String())
	}
	c = dial(t, p.addr)
	say(t, c, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := replies(bufio.NewReader(c)); len(got) != 0 || !strings.Contains(p.logged.String(), "by mistake") {
		t.Errorf("a panic: %v, %q", got, p.logged.String())
	}
}

// TestAcceptFails: what is wrong with the listener ends the server.
func TestAcceptFails(t *testing.T) {
	t.Parallel()
	l := listen(t)
	_ = l.Close()
	if err := New(&http.Server{ReadHeaderTimeout: time.Second}).Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

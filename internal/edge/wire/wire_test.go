package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stack is a server that counts its connections.
type stack struct {
	*httptest.Server
	conns atomic.Int32
}

func (s *stack) host() string { return s.Listener.Addr().String() }

func serve(t testing.TB, h http.HandlerFunc, begin func(*httptest.Server)) *stack {
	t.Helper()
	s := &stack{Server: httptest.NewUnstartedServer(h)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	begin(s.Server)
	t.Cleanup(s.Close)
	return s
}

func start(s *httptest.Server) { s.Start() }

func newTransport(t testing.TB, change func(*Config)) *Transport {
	t.Helper()
	cfg := Config{Dialer: Dialer{Dial: new(net.Dialer).DialContext, Handshake: 10 * time.Second}, MaxIdle: 4, IdleTimeout: time.Minute}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.CloseIdleConnections)
	return p
}

// idle returns how many connections are kept for an address.
func (t *Transport) idleOf(addr string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.idle[addr])
}

// request is one to a stack; change may change it.
func request(t testing.TB, addr string, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/a?b=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "stack:80"
	r.Header = http.Header{"X": {"1", "2"}}
	if change != nil {
		change(r)
	}
	return r
}

func withBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Method = http.MethodPost
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
	}
}

// reply is an answer that was read to its end.
type reply struct {
	status  int
	trailer http.Header
	body    string
}

func send(tr *Transport, r *http.Request) (reply, error) {
	res, err := tr.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return reply{res.StatusCode, res.Trailer, string(body)}, err
}

// TestRequests: a stack sees what was sent, and the connection is used again.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		delete(r.Header, "Accept-Encoding")
		_, _ = fmt.Fprintf(w, "%s %s %s %v %d %v %v %d %v %v", r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, r.TransferEncoding, r.Close, len(body), r.Trailer, err)
	}, start)
	long := strings.Repeat("long ", 50_000)
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"GET":           {nil, "GET /a?b=c stack:80 map[X:[1 2]] 0 [] false 0 map[] <nil>"},
		"an empty POST": {withBody(""), "POST /a?b=c stack:80 map[Content-Length:[0] X:[1 2]] 0 [] false 0 map[] <nil>"},
		"a short body":  {withBody("body"), "POST /a?b=c stack:80 map[Content-Length:[4] X:[1 2]] 4 [] false 4 map[] <nil>"},
		"a long body":   {withBody(long), "POST /a?b=c stack:80 map[Content-Length:[250000] X:[1 2]] 250000 [] false 250000 map[] <nil>"},
		"what is not its to say": {func(r *http.Request) {
			r.Header = http.Header{"Content-Length": {"9"}, "Transfer-Encoding": {"x"}, "Host": {"y"}, "Trailer": {"z"}, "Connection": {"close"}, "Upgrade": {"u"}}
		}, "GET /a?b=c stack:80 map[] 0 [] false 0 map[] <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTransport(t, nil)
			for range 2 {
				if got, err := send(p, request(t, s.host(), tc.change)); err != nil || got.body != tc.want {
					t.Errorf("the stack saw %s, %v\nwant %s", got.body, err, tc.want)
				}
			}
			if n := p.idleOf(s.host()); n != 1 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// raw answers each connection's request with bytes as they are; and then, when told to, closes it.
func raw(t testing.TB, answer string, closes bool) (addr string, asked *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	asked = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go func() {
				r := bufio.NewReader(c)
				for {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					asked.Add(1)
					_, _ = io.WriteString(c, answer)
					if closes {
						_ = c.Close()
					}
				}
			}()
		}
	}()
	return l.Addr().String(), asked
}

// TestAnswers: what the answer is, and whether its connection is kept.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, tc := range map[string]struct {
		method string
		answer string
		body   string
		keeps  bool
		fails  bool
	}{
		"a length":                  {"GET", ok + "Content-Length: 4\r\n\r\nbody", "body", true, false},
		"no body":                   {"GET", ok + "Content-Length: 0\r\n\r\n", "", true, false},
		"a HEAD":                    {"HEAD", ok + "Content-Length: 4\r\n\r\n", "", true, false},
		"204":                       {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", true, false},
		"304":                       {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", "", true, false},
		"chunks":                    {"GET", ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body", true, false},
		"a trailer":                 {"GET", ok + "Trailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-End: 1\r\n\r\n", "body", true, false},
		"until the end":             {"GET", ok + "\r\nbody", "body", false, false},
		"the end is announced":      {"GET", ok + "Connection: close\r\nContent-Length: 4\r\n\r\nbody", "body", false, false},
		"HTTP/1.0":                  {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody", "body", false, false},
		"more than was asked":       {"GET", ok + "Content-Length: 4\r\n\r\nbodyHTTP/1.1 200 OK\r\n\r\n", "body", false, false},
		"a body to a HEAD":          {"HEAD", ok + "Content-Length: 4\r\n\r\nbody", "", false, false},
		"a hint, then":              {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 4\r\n\r\nbody", "body", true, false},
		"too many hints":            {"GET", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1) + ok + "Content-Length: 0\r\n\r\n", "", false, true},
		"too little":                {"GET", ok + "Content-Length: 10\r\n\r\nbody", "body", false, true},
		"broken chunks":             {"GET", ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nx\r\n", "body", false, true},
		"both framings":             {"GET", ok + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body", true, false},
		"two lengths":               {"GET", ok + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody", "", false, true},
		"nothing":                   {"GET", "", "", false, true},
		"no HTTP":                   {"GET", "hello\r\n\r\n", "", false, true},
		"an endless head":           {"GET", ok + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1100) + "\r\n", "", false, true},
		"switched protocol unasked": {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, asked := raw(t, tc.answer, !tc.keeps)
			p := newTransport(t, nil)
			var hints []string
			hear := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(status, h))
				return nil
			}}
			r := request(t, addr, func(r *http.Request) { r.Method = tc.method })
			got, err := send(p, r.WithContext(httptrace.WithClientTrace(r.Context(), hear)))
			if got.body != tc.body || (err != nil) != tc.fails {
				t.Errorf("got %q, %v", got.body, err)
			}
			if kept := p.idleOf(addr) == 1; kept != tc.keeps {
				t.Errorf("the connection is kept: %v", kept)
			}
			if asked.Load() != 1 {
				t.Errorf("the request was sent %d times", asked.Load())
			}
			if name == "a hint, then" && cmp.Diff([]string{"103 map[Link:[</a>]]"}, hints) != "" {
				t.Errorf("hints: %v", hints)
			}
			if name == "a trailer" && got.trailer.Get("X-End") != "1" {
				t.Error("the trailer is not there")
			}
		})
	}
}

// TestStaleConnections: one that the stack closed while it was idle is not used, even for what must not be sent
// twice; one that breaks under a request is not made up for.
func TestStaleConnections(t *testing.T) {
	t.Parallel()
	addr, asked := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", true)
	p := newTransport(t, nil)
	for i := range int32(3) {
		if got, err := send(p, request(t, addr, withBody("{}"))); err != nil || got.body != "body" {
			t.Fatalf("request %d: %q, %v", i, got.body, err)
		}
		eventually(t, "the stack closes", func() bool {
			c := p.pop(addr)
			defer p.put(c)
			return !c.quiet()
		})
		if asked.Load() != i+1 {
			t.Errorf("%d requests were sent, of %d", asked.Load(), i+1)
		}
	}
	broken, asked := raw(t, "", true)
	if _, err := send(p, request(t, broken, nil)); err == nil || asked.Load() != 1 {
		t.Errorf("a connection that breaks: %v after %d requests", err, asked.Load())
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it did not happen: %s", what)
}

func TestConnectionsAreNotMixed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.RequestURI, body)
	}, start)
	p := newTransport(t, nil)
	var wait sync.WaitGroup
	for caller := range 8 {
		wait.Go(func() {
			for i := range 50 {
				target, text := fmt.Sprintf("/%d/%d", caller, i), strings.Repeat("x", i*200)
				r := request(t, s.host(), withBody(text))
				r.URL.Path = target
				r.URL.RawQuery = ""
				if got, err := send(p, r); err != nil || got.body != target+" "+text {
					t.Errorf("%s was answered %.40q, %v", target, got.body, err)
				}
			}
		})
	}
	wait.Wait()
	if n := p.idleOf(s.host()); n < 1 || n > 4 {
		t.Errorf("%d connections are kept, of at most 4", n)
	}
}

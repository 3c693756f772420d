package edge

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

// oddity is a request that is strange, and how it is answered: refused, or by a stack that gets what is fit of it.
type oddity struct {
	request string
	status  int
}

// strange is what one caller can send that no stack can be sent, over HTTP/1.1.
func strange() map[string]oddity {
	const end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	trailer := func(announced, sent string) string {
		return "POST " + place + end + "Accept: text/event-stream\r\nTransfer-Encoding: chunked\r\n" + announced + "\r\n2\r\n{}\r\n0\r\n" + sent + "\r\n"
	}
	return map[string]oddity{
		"a raw byte in the query":   {"GET " + product + "?\xe9" + end + "\r\n", 400},
		"an unescaped search":       {"GET /?q=café" + end + "\r\n", 400},
		"a raw byte in the path":    {"GET /caf\xe9" + end + "\r\n", 200},
		"a path that is none":       {"GET http:first" + end + "\r\n", 400},
		"an asterisk":               {"GET *" + end + "\r\n", 400},
		"a head that is too long":   {"GET " + product + end + "X: " + strings.Repeat("y", maxHead) + "\r\n\r\n", 431},
		"a target that is too long": {"GET /" + strings.Repeat("y", maxHead) + end + "\r\n", 431},
		"a trailer's name":          {trailer("Trailer: a b\r\n", ""), 400},
		"a length as a trailer":     {trailer("", "Content-Length: 5\r\n"), 200},
		"a trailer that is hidden":  {trailer("Trailer: Meridian-Caller-Ip\r\n", "Meridian-Caller-Ip: 9.9.9.9\r\n"), 200},
		"an odd method":             {"G\"T / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400},
		"a header's name":           {"GET /" + end + "a b: c\r\n\r\n", 400},
		"an upgrade to nothing":     {"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: nothing\r\n\r\n", 200},
	}
}

// blameless proves that no request moved any instance's standing, and that each was sent once at most.
func (p *port) blameless(t *testing.T) {
	t.Helper()
	p.fleet.mu.Lock()
	defer p.fleet.mu.Unlock()
	for _, line := range p.outcomes {
		if strings.HasSuffix(line, "false") {
			t.Errorf("an instance is blamed: %s", line)
		}
	}
	if len(p.reported) != 0 || len(p.lost) != 0 {
		t.Errorf("instances are reported %v, lost %v", p.reported, p.lost)
	}
	for _, s := range p.stacks {
		if n := s.calls.Load(); n > 1 {
			t.Errorf("%s was asked %d times", s.ID, n)
		}
	}
}

// TestStrangeRequestsBlameNobody: a cause that lies in the request is the caller's, whatever fails for it.
func TestStrangeRequestsBlameNobody(t *testing.T) {
	t.Parallel()
	for name, tc := range strange() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPort(t, nil)
			p.addOn(t, "127.0.0.2:0", us, "us/0", func(http.ResponseWriter, *http.Request) {})
			if got := p.raw(t, tc.request); len(got) != 1 || got[0] != tc.status {
				t.Errorf("answered %v, want %d", got, tc.status)
			}
			if n := len(p.reached()); (n == 0) != (tc.status >= http.StatusBadRequest) || n > 1 {
				t.Errorf("%d requests reached the stack", n)
			}
			p.blameless(t)
		})
	}
}

// TestStrangeRequestsOverHTTP2 is the same for what only HTTP/2 can carry.
func TestStrangeRequestsOverHTTP2(t *testing.T) {
	t.Parallel()
	request := func(method, path string, more ...field) []field {
		return append([]field{{":method", method}, {":scheme", "http"}, {":authority", "x"}, {":path", path}}, more...)
	}
	for name, tc := range map[string]struct {
		fields []field
		served bool
	}{
		"a method with a blank":  {request("GET /", "/"), false},
		"a raw byte in a query":  {request("GET", "/?\xe9"), false},
		"a blank in a query":     {request("GET", "/?a b"), false},
		"a path without a slash": {request("GET", "first"), false},
		"an asterisk":            {request("GET", "*"), false},
		"a long head":            {request("GET", "/", field{"x", strings.Repeat("y", maxHead)}), false},
		"many short lines":       {request("GET", "/", many(101)...), false},
		"a stream, a long head":  {request("GET", "/", field{"accept", "text/event-stream"}, field{"x", strings.Repeat("y", maxHead-200)}), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPort(t, nil)
			p.addOn(t, "127.0.0.2:0", us, "us/0", func(http.ResponseWriter, *http.Request) {})
			v := p.h2(t, tc.fields, "")
			if refused := strings.HasPrefix(v.status, "4") || v.status == "" && (v.code != http2.ErrCodeNo || v.ended); refused == tc.served {
				t.Errorf("ended as %+v", v)
			}
			if n := len(p.reached()); (n == 1) != tc.served {
				t.Errorf("%d requests reached the stack", n)
			}
			p.blameless(t)
		})
	}
}

// TestTheLongestHeadIsServed: what an edge lets through, with what it adds, is not too long for a stack with the
// bounds of the stacks' servers, over both protocols to it.
func TestTheLongestHeadIsServed(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"*/*", "text/event-stream"} {
		s := newSite(t)
		s.add(t, eu, "eu/0", echo)
		size, lines := maxHead-8*200, []string{"Accept", accept, "Connect-Timeout-Ms", "60000", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
		for i := range 8 {
			lines = append(lines, fmt.Sprintf("X-%d", i), strings.Repeat("y", size/8))
		}
		if got := s.send(t, http.MethodPost, product, "{}", lines...); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s", accept, got.status, got.body)
		}
	}
}

// TestSensitiveTrailers: what would mean something in the header does not come to a stack as a trailer.
func TestSensitiveTrailers(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil)
	seen := make(chan http.Header, 1)
	p.onRaw(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
	})
	got := p.raw(t, "POST /first HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Authorization\r\n\r\n"+
		"2\r\nhi\r\n0\r\nX-Sum: 1\r\nAuthorization: Bearer x\r\nCookie: y\r\n\r\n")
	if len(got) != 1 || got[0] != http.StatusOK {
		t.Fatalf("answered %v", got)
	}
	if trailer := <-seen; trailer.Get("X-Sum") != "1" || trailer.Get("Authorization") != "" {
		t.Errorf("the stack's trailer is %v", trailer)
	}
}

// TestUnsendableBlamesNobody: what wire finds to be no request, which nothing lets through today, is the caller's too.
func TestUnsendableBlamesNobody(t *testing.T) {
	t.Parallel()
	if got := judge(t.Context(), nil, fmt.Errorf("wrapped: %w", wire.ErrMalformed)); got != outcomeInvalid || got.unsure() {
		t.Errorf("it is %q", got)
	}
	s := newSite(t)
	instance := s.add(t, eu, "eu/0", echo)
	e := s.edge
	e.report(target{Member: discovery.Member{Endpoint: instance.Endpoint}}, outcomeInvalid, &outgoing{}, netip.Addr{})
	if len(s.outcomes) != 0 {
		t.Errorf("reported %v", s.outcomes)
	}
	if _, again := e.again(t.Context(), &class{repeatable: true}, &outgoing{}, &course{budget: &e.reads}, target{}, outcomeInvalid); again {
		t.Error("it is tried again")
	}
}

package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// onRaw serves what the stack of a port answers instead of the usual.
func (p *port) onRaw(t testing.TB, h http.HandlerFunc) {
	t.Helper()
	p.addOn(t, "127.0.0.2:0", us, "us/0", h)
	p.lose("eu/0")
}

// TestNoSwitch: no protocol is switched to, whatever the caller asks for and the stack answers: what then goes over the
// connection would be under none of the edge's bounds.
func TestNoSwitch(t *testing.T) {
	t.Parallel()
	const ask = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-Websocket-Key: k\r\n\r\n"
	for name, tc := range map[string]struct {
		answer string
		want   int
	}{
		"a stack that does not": {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", http.StatusOK},
		"a stack that does":     {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello", http.StatusBadGateway},
	} {
		p := newPort(t, nil)
		seen := make(chan http.Header, 4)
		p.onRaw(t, func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Clone()
			c, b, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(b, tc.answer)
			_ = b.Flush()
		})
		if got := p.raw(t, ask); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: got %v, want %d", name, got, tc.want)
		}
		if h := <-seen; h.Get("Upgrade") != "" {
			t.Errorf("%s: the stack sees %v", name, h)
		}
	}
}

// TestInterim: informational answers are passed on as they come, with their own headers and no others.
func TestInterim(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} { // over a connection of its own, and over a shared one
		testInterim(t, newPort(t, nil), stream)
	}
}

func testInterim(t *testing.T, p *port, stream bool) {
	t.Helper()
	hinted := make(chan struct{})
	p.onRaw(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.Header().Set("Meridian-Secret", "s")
		w.WriteHeader(http.StatusEarlyHints)
		<-hinted
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "served")
	})
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h))
		close(hinted)
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/first", nil)
	if err != nil {
		t.Fatal(err)
	}
	if stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if diff := cmp.Diff([]string{"103 map[Link:[</a>; rel=preload] Stack:[us/0]]"}, hints); diff != "" {
		t.Error(diff)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Link") != "" || res.Header.Get("Cache-Control") == "" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

// TestContinue: a caller that waits for a word before it sends its body gets it, and the stack gets the body alone.
func TestContinue(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil)
	c := p.dial(t)
	_, _ = io.WriteString(c, "POST /first HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" || len(p.reached()) != 0 {
		t.Fatalf("got %q, %v; the stack saw %v", line, err, p.reached())
	}
	_, _ = r.ReadString('\n')
	_, _ = io.WriteString(c, "body")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", res, err)
	}
	_ = res.Body.Close()
	if diff := cmp.Diff([]string{"POST /first body"}, p.reached()); diff != "" {
		t.Error(diff)
	}
}

// TestTrailers go both ways, announced or not, but for those that only an edge may say.
func TestTrailers(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil)
	seen := make(chan http.Header, 1)
	p.onRaw(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
		if r.URL.Path == "/announced" {
			w.Header().Set("Trailer", "X-End")
		}
		_, _ = io.WriteString(w, "served")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/announced" {
			w.Header().Set("X-End", "theirs")
		} else {
			w.Header().Set(http.TrailerPrefix+"X-End", "theirs")
		}
	})
	for _, path := range []string{"/announced", "/late"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addr+path, io.MultiReader(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Sum": {"ours"}, "Meridian-Caller-Ip": {"9.9.9.9"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(body) != "served" || res.Trailer.Get("X-End") != "theirs" {
			t.Errorf("%s: got %q, %v and the trailer %v", path, body, err, res.Trailer)
		}
		if diff := cmp.Diff(http.Header{"X-Sum": {"ours"}}, <-seen); diff != "" {
			t.Errorf("%s: the stack's trailer: %s", path, diff)
		}
	}
}

// TestUnknownStreams: an answer of no known type and length is passed on as it comes, and the stack learns that the
// caller left.
func TestUnknownStreams(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"*/*", "text/event-stream"} {
		p := newPort(t, nil)
		read, left := make(chan struct{}), make(chan struct{})
		p.onRaw(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = io.WriteString(w, "one\n")
			_ = http.NewResponseController(w).Flush()
			<-read
			_, _ = io.WriteString(w, "two\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(left)
		})
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/first", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		if !lines.Scan() || lines.Text() != "one" {
			t.Errorf("got %q", lines.Text())
		}
		close(read)
		if !lines.Scan() || lines.Text() != "two" {
			t.Errorf("got %q", lines.Text())
		}
		leave()
		<-left
		_ = res.Body.Close()
		eventually(t, "the stack has no request under way", func() bool { return p.stacks[1].InFlight() == 0 })
	}
}

// TestTarget: what goes to a stack is the path as it came, and nothing in the query that parsers differ on.
func TestTarget(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"/a%2fb?c=d%20e": "/a%2fb?c=d%20e", "/a?b=c;d=e&f=g": "/a?f=g", "/a?b=%zz&c=d": "/a?c=d", "/a?": "/a?", "/a%7Cb": "/a%7Cb", "//a": "//a",
	} {
		p := newPort(t, nil)
		if got := p.raw(t, "GET "+asked+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); len(got) != 1 || got[0] != http.StatusOK {
			t.Errorf("%s: answered %v", asked, got)
		}
		if got := p.reached(); len(got) != 1 || got[0] != "GET "+want+" " {
			t.Errorf("%s: the stack saw %q, want %q", asked, got, want)
		}
	}
}

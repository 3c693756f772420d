package edge

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

// port is a listener as the Internet reaches it: the server, what stands before the edge, the edge.
type port struct {
	*site
	addr string
	mu   sync.Mutex
	seen []string      // "METHOD path body" of what reached the stack
	slow time.Duration // that the stack takes for /slow
}

// newPort makes a port; change may change its site and its server's settings.
// Its servers are at another loopback address than those that tests kill, so that none takes a killed one's port.
func newPort(t testing.TB, change func(*site, *http.Server)) *port {
	t.Helper()
	return newPortOn(t, nil, change)
}

// newPortOn makes a port on a network, which is in memory for a bubble of synctest.
func newPortOn(t testing.TB, network *nettest.Memory, change func(*site, *http.Server)) *port {
	t.Helper()
	const loopback = "127.0.0.2:0"
	p := &port{site: &site{fleet: &fleet{network: network}}}
	p.publish()
	var err error
	p.edge, err = newEdge(Config{Regions: regions.Default(), Region: eu, TrustedProxies: []string{"127.0.0.1"}, MaxBody: maxReplay}, Deps{Tokens: tokens{}}, p.fleet)
	if err != nil {
		t.Fatal(err)
	}
	p.edge.timeout = time.Hour // nobody is given up because the machine is busy
	p.connects(t, p.edge)
	p.addOn(t, loopback, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			time.Sleep(p.slow)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = append(p.seen, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		_, _ = io.WriteString(w, "served")
	})
	handler, err := httpapi.New(httpapi.Config{Public: p.edge.Public}, p.edge.Handler())
	if err != nil {
		t.Fatal(err)
	}
	server := httpapi.NewServer(handler, nil, slog.New(slog.DiscardHandler))
	if network == nil { // a busy machine makes nobody too slow
		server.ReadHeaderTimeout, p.edge.patience = time.Hour, time.Hour
	}
	if change != nil {
		change(p.site, server.Server)
	}
	listener := p.listen(t, loopback)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	p.addr = listener.Addr().String()
	return p
}

func (p *port) reached() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *port) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := p.dialer()(t.Context(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends bytes as they are and reads answers until the edge closes the connection.
func (p *port) raw(t testing.TB, text string) (statuses []int) {
	t.Helper()
	c := p.dial(t)
	go func() { _, _ = io.WriteString(c, text) }() // the edge may close before it took all
	return answersOn(c)
}

// answersOn reads answers until the other side closes the connection.
func answersOn(c net.Conn) (statuses []int) {
	for r := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}

// smuggled is what an attacker hides behind a request; it must never be served.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// ambiguous is a request whose end two servers may see in different places.
type ambiguous struct {
	request string
	status  int
	reached string // what may reach the stack, "" for nothing
}

// try sends the request to a port, and returns what is wrong with what becomes of it; "" for nothing.
func (a ambiguous) try(t testing.TB, p *port) string {
	t.Helper()
	request := a.request
	if !strings.HasSuffix(request, smuggled) {
		request = strings.TrimSuffix(request, "\r\n") + "Connection: close\r\n\r\n" // else the connection stays open
	}
	statuses := p.raw(t, request)
	if len(statuses) != 1 || statuses[0] != a.status {
		return fmt.Sprintf("answered %v, want %d and the end of the connection", statuses, a.status)
	}
	if got := strings.Join(p.reached(), "|"); got != a.reached {
		return fmt.Sprintf("the stack saw %q, want %q", got, a.reached)
	}
	return ""
}

func ambiguities() map[string]ambiguous {
	const post = "POST /first HTTP/1.1\r\nHost: x\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(smuggled), smuggled)
	return map[string]ambiguous{
		"CL.TE":                       {post + "Content-Length: 48\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 200, "POST /first "},
		"TE.CL":                       {post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk + "0\r\n\r\n" + smuggled, 200, "POST /first " + smuggled},
		"TE.TE, an unknown coding":    {post + "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, 501, ""},
		"TE.TE, two codings":          {post + "Transfer-Encoding: chunked, identity\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, 501, ""},
		"TE.TE, two headers":          {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, 501, ""},
		"TE.TE, a space in front":     {post + "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, 400, ""},
		"TE.TE, before the colon":     {post + "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, 400, ""},
		"TE.TE, a vertical tab":       {post + "Transfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, 400, ""},
		"TE.TE, quoted":               {post + "Transfer-Encoding: \"chunked\"\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, 501, ""},
		"TE in HTTP/1.0":              {"POST /first HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 200, "POST /first 0\r\n\r\n"},
		"two lengths":                 {post + "Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + smuggled, 400, ""},
		"two lengths in one":          {post + "Content-Length: 0, 38\r\n\r\n" + smuggled, 400, ""},
		"a signed length":             {post + "Content-Length: +0\r\n\r\n" + smuggled, 400, ""},
		"a negative length":           {post + "Content-Length: -1\r\n\r\n" + smuggled, 400, ""},
		"a length in hexadecimal":     {post + "Content-Length: 0x26\r\n\r\n" + smuggled, 400, ""},
		"a length with a space":       {post + "Content-Length: 3 8\r\n\r\n" + smuggled, 400, ""},
		"a bad chunk size":            {post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + smuggled, 400, ""},
		"a chunk longer than said":    {post + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + smuggled, 400, ""},
		"a chunk size too long":       {post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("f", 17) + "\r\n" + smuggled, 400, ""},
		"no host":                     {"GET /first HTTP/1.1\r\n\r\n", 400, ""},
		"two hosts":                   {"GET /first HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, ""},
		"a NUL in a header":           {"GET /first HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400, ""},
		"a carriage return inside":    {"GET /first HTTP/1.1\r\nHost: x\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", 400, ""},
		"no colon":                    {"GET /first HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", 400, ""},
		"CONNECT":                     {"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 400, ""},
		"TRACE":                       {"TRACE /first HTTP/1.1\r\nHost: x\r\n\r\n", 400, ""},
		"an upgrade that is not made": {"GET /first HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 200, "GET /first "},
		"an expectation of nothing":   {"POST /first HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 0\r\n\r\n", 417, ""},
	}
}

// TestSmuggling: each ambiguous request is refused, or served as the standard says with nothing after it on the connection read.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	for name, a := range ambiguities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if wrong := a.try(t, newPort(t, nil)); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

func TestHeaderBounds(t *testing.T) {
	t.Parallel()
	const get = "GET /first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"many header lines":     {get + strings.Repeat("X: y\r\n", 90) + "\r\n", 200},
		"too many header lines": {get + strings.Repeat("X: y\r\n", 101) + "\r\n", 431},
		"a long header":         {get + "X: " + strings.Repeat("y", 16<<10) + "\r\n\r\n", 200},
		"a header too long":     {get + "X: " + strings.Repeat("y", 40<<10) + "\r\n\r\n", 431},
		"headers too long":      {get + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40) + "\r\n", 431},
		"a path too long":       {"GET /" + strings.Repeat("y", 40<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPort(t, nil)
			if got := p.raw(t, tc.request); len(got) != 1 || got[0] != tc.status {
				t.Errorf("answered %v, want %d", got, tc.status)
			}
			if reached := len(p.reached()); (reached == 1) != (tc.status == http.StatusOK) {
				t.Errorf("%d requests reached the stack", reached)
			}
		})
	}
}

// TestSlowRequests: who drips a header is cut off, and who drips a body is told so and cut off, both when their time is
// over, while others are served.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	headerTimeout := httpapi.NewServer(http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler)).ReadHeaderTimeout
	if headerTimeout <= 0 || headerTimeout > 10*time.Second {
		t.Errorf("a header may take %v", headerTimeout)
	}
	for name, tc := range map[string]struct {
		begin, drip string
		statuses    []int
		after       time.Duration
	}{
		"a header": {"GET / HTTP/1.1\r\nHost: x\r\nX: ", "y", nil, headerTimeout},
		"a body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", "y", []int{408}, bodyTimeout},
		"chunks":   {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\ny\r\n", []int{408}, bodyTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPortOn(t, nettest.NewMemory(), nil)
				began := time.Now()
				var slow sync.WaitGroup
				slow.Go(func() {
					statuses, took := p.drip(t, tc.begin, tc.drip), time.Since(began)
					if !slices.Equal(statuses, tc.statuses) || took < tc.after || took > tc.after+time.Second {
						t.Errorf("answered %v and cut off after %v, want %v after %v", statuses, took, tc.statuses, tc.after)
					}
				})
				time.Sleep(tc.after / 2)
				if got := p.raw(t, "GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); len(got) != 1 || got[0] != http.StatusOK || time.Since(began) != tc.after/2 {
					t.Errorf("another caller got %v", got)
				}
				slow.Wait()
			})
		})
	}
}

// drip sends some bytes, and then others every tenth of a second. It reads answers until the edge closes the connection.
func (p *port) drip(t testing.TB, begin, then string) (statuses []int) {
	t.Helper()
	c := p.dial(t)
	var writing sync.WaitGroup
	writing.Go(func() {
		for text, err := begin, error(nil); err == nil; text = then {
			_, err = io.WriteString(c, text)
			time.Sleep(100 * time.Millisecond)
		}
	})
	statuses = answersOn(c)
	writing.Wait()
	return statuses
}

// TestBodyBound sends bodies at and over the bound, with and without a length.
func TestBodyBound(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		size    int
		chunked bool
		status  int
	}{
		"at the bound":           {maxReplay, false, 200},
		"at the bound, chunked":  {maxReplay, true, 200},
		"over the bound":         {maxReplay + 1, false, 413},
		"over the bound, chunks": {maxReplay + 1, true, 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPort(t, nil)
			var body io.Reader = strings.NewReader(strings.Repeat("x", tc.size))
			if tc.chunked {
				body = io.MultiReader(body)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addr+"/", body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			text, _ := io.ReadAll(res.Body)
			if res.StatusCode != tc.status || tc.status == http.StatusRequestEntityTooLarge && !strings.Contains(string(text), "BODY_TOO_LARGE") {
				t.Errorf("got %d %s", res.StatusCode, text)
			}
		})
	}
}

// TestBodyBoundOfOneStream: a body over the bound ends its own stream, and no other of the connection.
func TestBodyBoundOfOneStream(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	t.Cleanup(client.CloseIdleConnections)
	connections := map[net.Conn]bool{}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { connections[got.Conn] = true }})
	for range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+"/", strings.NewReader(strings.Repeat("x", 5*maxReplay)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "BODY_TOO_LARGE") {
			t.Errorf("got %d %s, %v", res.StatusCode, text, err)
		}
		_ = res.Body.Close()
	}
	if len(connections) != 1 {
		t.Errorf("%d connections for three requests", len(connections))
	}
}

// TestForgedHeaders: a caller that comes from no trusted proxy cannot say who or where it is, nor speak as an
// edge, however it writes the names.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	p := newPort(t, func(s *site, _ *http.Server) {
		locator, err := geo.NewLocator(s.edge.regions, eu, geo.Proxies{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.edge.locator = locator
	})
	p.addOn(t, "127.0.0.2:0", us, "us/0", func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	p.lose("eu/0")
	got := p.raw(t, "GET /first HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\nForwarded: for=203.0.113.5\r\nX-Real-Ip: 203.0.113.5\r\n"+
		"CF-IPCountry: JP\r\nCloudFront-Viewer-Country: JP\r\nFly-Client-IP: 203.0.113.5\r\nTrue-Client-Ip: 203.0.113.5\r\n"+
		"Meridian-Caller-Ip: 203.0.113.5\r\nMERIDIAN-CALLER-COUNTRY: JP\r\nmeridian-caller-region: ap-southeast-1\r\nMeridian-Edge-Region: us-east-1\r\n"+
		"Meridian-Admin: yes\r\nConnection: close, Meridian-Caller-Ip, Meridian-Edge-Region, Authorization\r\n\r\n")
	if len(got) != 1 || got[0] != http.StatusOK {
		t.Fatalf("answered %v", got)
	}
	h := <-seen
	for name, want := range map[string]string{
		"Meridian-Caller-Ip": "127.0.0.1", "Meridian-Caller-Country": "", "Meridian-Caller-Region": "eu-west-1",
		"Meridian-Edge-Region": "eu-west-1", "Meridian-Admin": "", "X-Forwarded-For": "", "Forwarded": "",
	} {
		if value := strings.Join(h.Values(name), "|"); value != want {
			t.Errorf("the stack sees %s: %q, want %q", name, value, want)
		}
	}
}

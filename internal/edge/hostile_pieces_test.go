package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// pipelined is what callers send on one connection without waiting for answers, plain and hostile. Each ends in a
// request after which the connection closes, if it is one.
func pipelined() map[string]string {
	const (
		host = "Host: x\r\n"
		get  = "GET /a HTTP/1.1\r\n" + host + "\r\n"
		post = "POST /b HTTP/1.1\r\n" + host
		last = "GET /last HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"
	)
	return map[string]string{
		"three requests":               get + "GET /c HTTP/1.1\r\n" + host + "\r\n" + last,
		"a slow one first":             "GET /slow HTTP/1.1\r\n" + host + "\r\n" + get + last,
		"a body":                       post + "Content-Length: 4\r\n\r\nbody" + last,
		"a body that looks like one":   post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled + last,
		"a body behind a GET":          "GET /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody" + last,
		"an empty body, line ends":     post + "Content-Length: 0\r\n\r\n\r\n\r\n" + last,
		"a POST without a length":      post + "\r\n" + smuggled + last,
		"both framings":                post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled + last,
		"two lengths":                  post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!" + smuggled + last,
		"the same length twice":        post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody" + last,
		"a signed length":              post + "Content-Length: +4\r\n\r\nbody" + smuggled + last,
		"a length with blanks":         post + "content-length:\t2 \r\nTE: trailers\r\n\r\nab" + last,
		"a folded line":                "GET /b HTTP/1.1\r\n" + host + " folded: x\r\n\r\n" + smuggled + last,
		"a blank before a colon":       "GET /b HTTP/1.1\r\n" + host + "a : x\r\n\r\n" + smuggled + last,
		"a carriage return in a value": "GET /b HTTP/1.1\r\n" + host + "a:x\ry: z\r\n\r\n" + smuggled + last,
		"a NUL in a value":             "GET /b HTTP/1.1\r\n" + host + "a: \x00\r\n\r\n" + smuggled + last,
		"two hosts":                    "GET /b HTTP/1.1\r\n" + host + "Host: y\r\n\r\n" + smuggled + last,
		"a bad host":                   "GET /b HTTP/1.1\r\nHost: a b\r\n\r\n" + smuggled + last,
		"a blank in the target":        "GET /a b HTTP/1.1\r\n" + host + "\r\n" + smuggled + last,
		"a target that does not parse": "GET /%zz HTTP/1.1\r\n" + host + "\r\n" + smuggled + last,
		"an unknown version":           "GET /a HTTP/1.2\r\n" + host + "\r\n" + smuggled + last,
		"bare line feeds":              "GET /a HTTP/1.1\n" + host + "\n" + last,
		"an empty line first":          "\r\n" + get + last,
		"an HTTP/2 preface":            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled + last,
		"a close, and more":            "GET /a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" + smuggled + last,
		"chunks, and more":             post + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + smuggled + last,
		"chunks that do not end":       post + "Transfer-Encoding: chunked\r\n\r\n4\r\nbodyx\r\n0\r\n\r\n" + smuggled + last,
		"many lines":                   "GET /a HTTP/1.1\r\n" + host + strings.Repeat("a: b\r\n", 70) + "\r\n" + last,
		"a long line":                  "GET /a HTTP/1.1\r\n" + host + "a: " + strings.Repeat("b", 5000) + "\r\n\r\n" + last,
		"a long body":                  post + "Content-Length: 9000\r\n\r\n" + strings.Repeat("b", 9000) + last,
	}
}

// recorded is a bare net/http server that says what it saw, as the reference.
type recorded struct {
	addr string
	mu   sync.Mutex
	seen []string
}

func record(t *testing.T, listener net.Listener) *recorded {
	t.Helper()
	r := &recorded{}
	r.addr = serveAt(t, listener, http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return // half a body is no request
		}
		if len(in.TransferEncoding) > 0 { // as the edge does
			w.Header().Set("Connection", "close")
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, in.Method+" "+in.URL.RequestURI()+" "+string(body))
	})).Addr
	return r
}

// pieces sends a text in two, the second one when all is done that the first one leads to, or later, while a slow stack
// is at it. It returns when the other side has closed the connection and nobody does anything any more.
func pieces(t *testing.T, network *nettest.Memory, addr, text string, at int) {
	t.Helper()
	c, err := network.Dial(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var writing sync.WaitGroup
	writing.Go(func() {
		_, _ = io.WriteString(c, text[:at]) // the edge may have closed already
		time.Sleep(2 * time.Millisecond)
		_, _ = io.WriteString(c, text[at:])
	})
	_, _ = io.Copy(io.Discard, bufio.NewReader(c))
	writing.Wait()
	synctest.Wait()
}

// cuts are the places at which a text is cut in two.
func cuts(text string) []int {
	cuts := []int{0, 1, len(text) - 1}
	for i := range text {
		// Around line ends, and in the middle of what lies between them, parsers keep what they have in different ways.
		if text[i] == '\n' && len(text) < 1000 {
			cuts = append(cuts, i, i+1, min(i+7, len(text)))
		}
	}
	if len(text) >= 1000 {
		cuts = append(cuts, len(text)/2, 4095, 4096, 4097)
	}
	for i := range cuts {
		cuts[i] = min(cuts[i], len(text))
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// TestPipelinedInPieces: wherever a stream of requests is cut in two, a stack sees the requests that net/http sees in
// the whole of it, each once and whole, and nothing else.
func TestPipelinedInPieces(t *testing.T) {
	t.Parallel()
	for name, text := range pipelined() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := nettest.NewMemory()
				p := newPortOn(t, network, nil)
				p.slow = 8 * time.Millisecond // longer than the pause between the pieces
				reference := record(t, p.listen(t, "127.0.0.2:0"))
				pieces(t, network, reference.addr, text, 0)
				for _, at := range cuts(text) {
					p.seen = nil
					pieces(t, network, p.addr, text, at)
					if diff := cmp.Diff(reference.seen, p.reached()); diff != "" {
						t.Errorf("cut at %d of %q, the stack saw something else (-net/http +stack)\n%s", at, text, diff)
					}
				}
			})
		})
	}
}

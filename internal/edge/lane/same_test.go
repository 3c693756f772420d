package lane

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// both is the same handler behind a lane and behind net/http.
type both [2]string

func openBoth(t testing.TB, h http.Handler) both {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return both{open(t, h, nil).addr, l.Addr().String()}
}

// send sends the same bytes to both, and returns what each answers.
func (b both) send(t testing.TB, bytes []byte, methods ...string) (out [2][]reply) {
	t.Helper()
	for i, addr := range b {
		c := dial(t, addr)
		if _, err := c.Write(bytes); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("write: %v", err) // it may have been refused before its end
		}
		_ = c.CloseWrite()
		out[i] = replies(bufio.NewReader(c), methods...)
		_ = c.Close()
	}
	return out
}

// TestSameAnswers has handlers write their answers in every way.
func TestSameAnswers(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(pairs); i += 2 {
				w.Header().Add(pairs[i], pairs[i+1])
			}
		}
	}
	status := func(code int) func(http.ResponseWriter) { return func(w http.ResponseWriter) { w.WriteHeader(code) } }
	write := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
	}
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	type steps = []func(http.ResponseWriter)
	handlers := map[string]steps{
		"nothing":                  {},
		"text":                     {write("text")},
		"HTML":                     {write("<html>")},
		"its own type":             {header("Content-Type", "a/b"), write("<html>")},
		"no type":                  {func(w http.ResponseWriter) { w.Header()["Content-Type"] = nil }, write("<html>")},
		"encoded":                  {header("Content-Encoding", "x"), write("<html>")},
		"a status":                 {status(404), write("text")},
		"an unknown status":        {status(599), write("text")},
		"a status twice":           {status(404), status(200), write("text")},
		"no content":               {header("Content-Type", "a/b", "Content-Length", "4"), status(204), write("text")},
		"not modified":             {header("Content-Type", "a/b", "Content-Length", "4", "Etag", `"x"`), status(304), write("text")},
		"a length":                 {header("Content-Length", "4"), write("te"), write("xt")},
		"a length of zero":         {header("Content-Length", "0"), status(200)},
		"too little":               {header("Content-Length", "10"), write("text")},
		"too much":                 {header("Content-Length", "2"), write("te"), write("xt")},
		"headers after the status": {status(200), header("X", "late"), write("text")},
		"headers after the body":   {write("text"), header("X", "late")},
		"many values":              {header("X", "a", "X", "b", "Y", ""), write("text")},
		"spaces around a value":    {header("X", "  a\t"), write("text")},
		"a line end in a value":    {header("X", "a\r\nInjected: yes"), write("text")},
		"an invalid name":          {header("A b", "x", "", "y"), write("text")},
		"its own date":             {header("Date", "yesterday", "X", "y"), write("text")},
		"the end":                  {header("Connection", "close"), write("text")},
		"flushed first":            {flush, write("text")},
		"flushed between":          {write("te"), flush, write("xt"), flush},
		"flushed with a length":    {header("Content-Length", "4"), write("te"), flush, write("xt")},
		"flushed after the end":    {status(204), flush},
		"long":                     {write(strings.Repeat("long ", 20_000))},
		"long with a length":       {header("Content-Length", "100000"), write(strings.Repeat("long ", 20_000))},
		"empty writes":             {write(""), write("text"), flush, write(""), write("more")},
		"an announced trailer":     {header("Trailer", "X-End, X-Other"), write("text"), header("X-End", "1", "X-Other", "2")},
		"a late trailer":           {write("text"), flush, header(http.TrailerPrefix+"X-End", "1")},
		"a trailer and no body":    {header("Trailer", "X-End"), flush, header("X-End", "1")},
		"early hints":              {header("Link", "</a>; rel=preload"), status(103), header("X", "y"), write("text")},
		"processing":               {status(102), status(102), status(201)},
	}
	b := openBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, step := range handlers[r.Header.Get("Case")] {
			step(w)
		}
	}))
	for _, name := range slices.Sorted(maps.Keys(handlers)) {
		request := fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: x\r\nCase: %s\r\n\r\n", name)
		got := b.send(t, request)
		if diff := cmp.Diff(got[1], got[0]); diff != "" {
			t.Errorf("%s: the lane's answer differs from net/http's (-net/http +lane)\n%s", name, diff)
		}
		if len(got[1]) == 0 {
			t.Errorf("%s: no answer", name)
		}
	}
}

// FuzzSameAnswers sends any bytes to a lane and to net/http, which must see the same requests, refuse the same,
// and stop reading at the same place.
func FuzzSameAnswers(f *testing.F) {
	const host = "Host: x\r\n"
	for _, seed := range []string{
		get + get, "POST /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody" + get,
		"POST /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get,
		"POST /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!" + get,
		"POST /b HTTP/1.1\r\n" + host + "Content-Length: +4\r\n\r\nbody" + get,
		"GET /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody" + get,
		"GET /b HTTP/1.1\r\n" + host + " folded: x\r\n\r\n", "GET /b HTTP/1.1\r\n" + host + "a : x\r\n\r\n" + get,
		"GET /b HTTP/1.1\r\n" + host + "a:x\ry: z\r\n\r\n" + get, "GET /b HTTP/1.1\r\n" + host + "a: \x00\r\n\r\n" + get,
		"GET /b HTTP/1.1\r\n" + host + "a: \xff\r\nPragma: no-cache\r\n\r\n" + get, "GET /b HTTP/1.1\r\n" + host + "Host: y\r\n\r\n" + get,
		"GET http://y/b HTTP/1.1\r\n" + host + "\r\n", "GET //y/b?a=b;c#d HTTP/1.1\r\n" + host + "\r\n", "GET /%zz HTTP/1.1\r\n" + host + "\r\n",
		"GET /a b HTTP/1.1\r\n" + host + "\r\n", "GET /a HTTP/1.2\r\n" + host + "\r\n", "GET /a HTTP/1.10\r\n" + host + "\r\n",
		"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "GET /a HTTP/1.1\n" + host + "\n", "\r\n" + get,
		"GET /a HTTP/1.1\r\n" + host + "Connection: Keep-Alive\r\n\r\n" + get, "GET /a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" + get,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HEAD /a HTTP/1.1\r\n" + host + "\r\n", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "GET /a HTTP/1.1\r\nho",
		"GET /a HTTP/1.1\r\n" + host + strings.Repeat("a: b\r\n", 70) + "\r\n" + get, "GET /a HTTP/1.1\r\n" + host + "a: " + strings.Repeat("b", 5000) + "\r\n\r\n" + get,
		"POST /b HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n\r\n\r\n" + get, "POST /b HTTP/1.1\r\n" + host + "\r\nrest",
		"POST /b HTTP/1.1\r\n" + host + "content-length:\t2 \r\nTE: trailers\r\n\r\nab" + get,
	} {
		f.Add([]byte(seed))
	}
	b := openBoth(f, http.HandlerFunc(echo))
	f.Fuzz(func(t *testing.T, request []byte) {
		got := b.send(t, request)
		if diff := cmp.Diff(got[1], got[0]); diff != "" {
			t.Errorf("%q: the lane's answers differ from net/http's (-net/http +lane)\n%s", request, diff)
		}
	})
}

// FuzzExamine: what is called plain is read by net/http as the same request, to the same byte.
func FuzzExamine(f *testing.F) {
	f.Add([]byte(get + "rest"))
	f.Add([]byte("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nAccept: a\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l layout
		for i := range b { // what is a request, or none, is so however little of it has arrived
			switch before, v := l.examine(b[:i]), new(layout).examine(b); {
			case before == plain && v != plain, before == strange && v != strange:
				t.Fatalf("%q is %v, of which %d bytes are %v", b, v, i, before)
			}
		}
		if l.examine(b) != plain {
			return
		}
		ours, ok := l.request(&request{ctx: requestContext{Context: t.Context()}}, b)
		rest := bytes.NewReader(b)
		r := bufio.NewReader(rest)
		theirs, err := http.ReadRequest(r)
		if err != nil {
			if ok {
				t.Fatalf("%q is plain: %v", b[:l.length], err)
			}
			return
		}
		if !ok {
			return // its host is not one, which net/http finds later
		}
		if diff := cmp.Diff(seen(t, theirs), seen(t, ours)); diff != "" {
			t.Errorf("%q is read differently (-net/http +lane)\n%s", b[:l.length], diff)
		}
		if left := r.Buffered() + rest.Len(); len(b)-left != l.length {
			t.Errorf("%q: %d bytes are plain, and net/http reads %d", b, l.length, len(b)-left)
		}
		if theirs.Close || len(theirs.TransferEncoding) > 0 || len(theirs.Trailer) > 0 || theirs.Header.Get("Expect") != "" || theirs.Header.Get("Upgrade") != "" {
			t.Errorf("%q is plain, and asks for more than an answer", b[:l.length])
		}
	})
}

// sight is all that a handler can see of a request.
type sight struct {
	Method, Target, Proto, Host, Body string
	Major, Minor                      int
	URL                               url.URL
	Header, Trailer                   http.Header
	Length                            int64
	Coding                            []string
	Close                             bool
}

func seen(t *testing.T, r *http.Request) sight {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("the body: %v", err)
	}
	return sight{
		r.Method, r.RequestURI, r.Proto, r.Host, string(text), r.ProtoMajor, r.ProtoMinor, *r.URL, r.Header, r.Trailer,
		r.ContentLength, r.TransferEncoding, r.Close,
	}
}

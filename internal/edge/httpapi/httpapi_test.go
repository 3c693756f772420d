package httpapi

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// stack answers as the test says.
func stack(status int, contentType, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func public(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/public") }

// ask sends one request through a front; headers are name, value, name, value.
func ask(t testing.TB, cfg Config, next http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	cfg.Public = public
	g, err := New(cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	r, w := httptest.NewRequestWithContext(t.Context(), method, path, nil), httptest.NewRecorder()
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	g.ServeHTTP(w, r)
	return w
}

func unzip(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCacheControl(t *testing.T) {
	t.Parallel()
	const shared, personal = "public, max-age=10, stale-while-revalidate=60", "private, no-store"
	for name, tc := range map[string]struct {
		method, path string
		next         http.Handler
		want         string
		tagged       bool
	}{
		"public":                 {http.MethodGet, "/public", stack(200, "application/json", "{}"), shared, true},
		"public, an error":       {http.MethodGet, "/public", stack(404, "application/json", "{}"), personal, false},
		"public, a failure":      {http.MethodGet, "/public", stack(503, "application/json", "{}"), personal, false},
		"public, by POST":        {http.MethodPost, "/public", stack(200, "application/json", "{}"), personal, false},
		"personal":               {http.MethodGet, "/mine", stack(200, "application/json", "{}"), personal, false},
		"the stack's own word":   {http.MethodGet, "/public", stack(200, "application/json", "{}", "Cache-Control", "no-store"), "no-store", true},
		"personal, its own word": {http.MethodGet, "/mine", stack(200, "application/json", "{}", "Cache-Control", "max-age=5"), "max-age=5", false},
	} {
		next := tc.next
		tc.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"RateLimit", "RateLimit-Policy", "Traceparent", "X-Request-Id"} {
				w.Header().Set(name, "hers")
			}
			next.ServeHTTP(w, r)
		})
		w := ask(t, Config{}, tc.next, tc.method, tc.path)
		if got := w.Header().Get("Cache-Control"); got != tc.want || (w.Header().Get("Etag") != "") != tc.tagged {
			t.Errorf("%s: got %q, tag %q", name, got, w.Header().Get("Etag"))
		}
		shared := !strings.Contains(tc.want, "private") && tc.want != "no-store"
		if text := fmt.Sprint(w.Header()); strings.Contains(text, "hers") == shared {
			t.Errorf("%s: what caches may share: %t, and it carries %s", name, shared, text)
		}
	}
}

// TestHead: of what everyone may read, a HEAD says all that the GET would, and has no body.
func TestHead(t *testing.T) {
	t.Parallel()
	g, err := New(Config{Public: public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, strings.Repeat("x", 2<<10))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	for _, accept := range []string{"", "zstd"} {
		var said [2]http.Header
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/public", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", accept)
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if said[i] = res.Header; err != nil || (len(body) > 0) != (method == http.MethodGet) {
				t.Errorf("%s: %d bytes, %v", method, len(body), err)
			}
			for _, name := range []string{"Date", "Content-Length"} { // one of which a HEAD need not say
				res.Header.Del(name)
			}
		}
		if diff := cmp.Diff(said[0], said[1]); diff != "" || said[1].Get("Etag") == "" {
			t.Errorf("accepting %q (-GET +HEAD):\n%s", accept, diff)
		}
	}
	if w := ask(t, Config{}, stack(200, "application/json", ""), http.MethodHead, "/mine"); w.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("of what is personal: %v", w.Header())
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	next := stack(200, "application/json", `{"handle":"mug"}`, "Cache-Status", "Meridian; hit")
	first := ask(t, Config{}, next, http.MethodGet, "/public")
	tag := first.Header().Get("Etag")
	if !strings.HasPrefix(tag, `"`) || first.Body.String() != `{"handle":"mug"}` || first.Header().Get("Content-Length") != "16" {
		t.Fatalf("got %v %q", first.Header(), first.Body)
	}
	if other := ask(t, Config{}, stack(200, "application/json", `{"handle":"cup"}`), http.MethodGet, "/public").Header().Get("Etag"); other == tag {
		t.Error("another body has the same tag")
	}
	for name, given := range map[string]string{"the tag": tag, "a weak tag": "W/" + tag, "one of several": `"x", ` + tag, "any": "*"} {
		w := ask(t, Config{}, next, http.MethodGet, "/public", "If-None-Match", given)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("%s: got %d %q", name, w.Code, w.Body)
		}
		for header, want := range map[string]string{
			"Etag": tag, "Cache-Control": "public, max-age=10, stale-while-revalidate=60", "Vary": "Accept-Encoding|Meridian-Consistency",
			"Content-Type": "", "Content-Length": "", "Cache-Status": "Meridian; hit",
		} {
			if got := strings.Join(w.Header()[http.CanonicalHeaderKey(header)], "|"); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	if w := ask(t, Config{}, next, http.MethodGet, "/public", "If-None-Match", `"other"`); w.Code != http.StatusOK {
		t.Errorf("another tag: got %d", w.Code)
	}
	if w := ask(t, Config{}, stack(200, "text/plain", "x", "Etag", `"own"`), http.MethodGet, "/public"); w.Header().Get("Etag") != `"own"` {
		t.Errorf("the stack's tag became %q", w.Header().Get("Etag"))
	}
	long := strings.Repeat("x", maxWhole+1)
	if w := ask(t, Config{}, stack(200, "image/png", long), http.MethodGet, "/public"); w.Header().Get("Etag") != "" || w.Body.String() != long {
		t.Errorf("a long answer has tag %q and %d bytes", w.Header().Get("Etag"), w.Body.Len())
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("meridian ", 500)
	for name, tc := range map[string]struct {
		path   string
		next   http.Handler
		accept string
		zipped bool
	}{
		"text":                  {"/mine", stack(200, "text/plain; charset=utf-8", long), "gzip, deflate", true},
		"JSON":                  {"/mine", stack(200, "application/json", long), "br;q=0.7, gzip;q=0.8", true},
		"a tagged answer":       {"/public", stack(200, "application/json", long), "gzip", true},
		"an error":              {"/mine", stack(404, "application/json", long), "gzip", true},
		"not accepted":          {"/mine", stack(200, "application/json", long), "deflate", false},
		"refused":               {"/mine", stack(200, "application/json", long), "gzip;q=0", false},
		"refused, longer":       {"/mine", stack(200, "application/json", long), "gzip; q=0.000", false},
		"nothing said":          {"/mine", stack(200, "application/json", long), "", false},
		"no-transform":          {"/mine", stack(200, "application/json", long, "Cache-Control", "public, no-transform"), "gzip", false},
		"tagged, no-transform":  {"/public", stack(200, "application/json", long, "Cache-Control", "no-transform"), "gzip", false},
		"short":                 {"/mine", stack(200, "application/json", "{}", "Content-Length", "2"), "gzip", false},
		"tagged, short":         {"/public", stack(200, "application/json", "{}"), "gzip", false},
		"a picture":             {"/mine", stack(200, "image/png", long), "gzip", false},
		"a stream of events":    {"/mine", stack(200, "text/event-stream", long), "gzip", false},
		"an RPC stream":         {"/mine", stack(200, "application/connect+json", long), "gzip", false},
		"gRPC":                  {"/mine", stack(200, "application/grpc", long), "gzip", false},
		"encoded by the stack":  {"/mine", stack(200, "application/json", long, "Content-Encoding", "zstd"), "gzip", false},
		"tagged, encoded there": {"/public", stack(200, "application/json", long, "Content-Encoding", "zstd"), "gzip", false},
	} {
		w := ask(t, Config{}, tc.next, http.MethodGet, tc.path, "Accept-Encoding", tc.accept)
		zipped := w.Header().Get("Content-Encoding") == "gzip"
		if zipped != tc.zipped {
			t.Errorf("%s: compressed: %v", name, zipped)
			continue
		}
		if !zipped {
			continue
		}
		if text := unzip(t, w); text != long || !strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: it unpacks to %d bytes, Vary %q", name, len(text), w.Header().Get("Vary"))
		}
	}
}

// TestStreamsAreNotHeldBack has a stack that sends its second part only after the caller read the first.
func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/event-stream", "text/plain"} { // passed on as it is, and compressed
		read := make(chan struct{})
		g, err := New(Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, "one\n")
			_ = http.NewResponseController(w).Flush()
			<-read
			_, _ = io.WriteString(w, "two\n")
		}))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		res, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		if !lines.Scan() || lines.Text() != "one" {
			t.Errorf("%s: got %q", contentType, lines.Text())
		}
		close(read)
		if !lines.Scan() || lines.Text() != "two" || res.Uncompressed != (contentType == "text/plain") {
			t.Errorf("%s: got %q, compressed %v", contentType, lines.Text(), res.Uncompressed)
		}
		_ = res.Body.Close()
	}
}

// TestBrokenAnswers: an answer that breaks off in the stack breaks off for the caller, and is not made whole.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/public", "/mine"} {
		g, err := New(Config{Public: public}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, strings.Repeat("x", 4<<10))
			panic(http.ErrAbortHandler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		res, err := server.Client().Get(server.URL + path)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks whole", path)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const shop, evil = "https://shop.example", "https://evil.example"
	list := Config{Origins: []string{shop}}
	next := stack(200, "application/json", "{}")
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key"}
	for name, tc := range map[string]struct {
		cfg     Config
		method  string
		headers []string
		status  int
		origin  string
		vary    bool // by origin
	}{
		"a page":                {list, http.MethodPost, []string{"Origin", shop}, 200, shop, true},
		"a page elsewhere":      {list, http.MethodPost, []string{"Origin", evil}, 200, "", true},
		"a page in hiding":      {list, http.MethodPost, []string{"Origin", "null"}, 200, "", true},
		"a longer name":         {list, http.MethodPost, []string{"Origin", shop + ".evil.example"}, 200, "", true},
		"no page":               {list, http.MethodPost, nil, 200, "", true},
		"a preflight":           {list, http.MethodOptions, append([]string{"Origin", shop}, preflight...), 204, shop, true},
		"a preflight elsewhere": {list, http.MethodOptions, append([]string{"Origin", evil}, preflight...), 204, "", true},
		"plain OPTIONS":         {list, http.MethodOptions, nil, 200, "", true},
		"any page":              {Config{Origins: []string{"*"}}, http.MethodPost, []string{"Origin", evil}, 200, "*", true},
		"off":                   {Config{}, http.MethodPost, []string{"Origin", shop}, 200, "", false},
		"off, a preflight":      {Config{}, http.MethodOptions, append([]string{"Origin", shop}, preflight...), 200, "", false},
	} {
		w := ask(t, tc.cfg, next, tc.method, "/mine", tc.headers...)
		h := w.Header()
		if got := h.Get("Access-Control-Allow-Origin"); w.Code != tc.status || got != tc.origin || strings.HasPrefix(h.Get("Vary"), "Origin") != tc.vary {
			t.Errorf("%s: got %d, origin %q, Vary %q", name, w.Code, got, h.Get("Vary"))
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", name)
		}
		if answered := tc.status == http.StatusNoContent && tc.origin != ""; answered != strings.Contains(h.Get("Access-Control-Allow-Headers"), "idempotency-key") {
			t.Errorf("%s: allowed headers are %q", name, h.Get("Access-Control-Allow-Headers"))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "shop.example", "https://", "https://shop.example/", "https://shop.example/path", "https://*.example", "https://Shop.example", "null", "ftp://x", "https://u@x"} {
		if _, err := New(Config{Origins: []string{origin}}, http.NotFoundHandler()); err == nil {
			t.Errorf("origin %q is taken", origin)
		}
	}
	if _, err := New(Config{}, nil); err == nil {
		t.Error("no handler: no error")
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	g, err := New(Config{}, stack(200, "text/plain", "x", "Referrer-Policy", "origin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), httptest.NewRecorder()
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy": "origin", "Strict-Transport-Security": "",
		}
		if secure {
			r.TLS, want["Strict-Transport-Security"] = &tls.ConnectionState{}, "max-age=31536000"
		}
		g.ServeHTTP(w, r)
		got := map[string]string{}
		for name := range want {
			got[name] = strings.Join(w.Header().Values(name), "|")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("over TLS %v: %s", secure, diff)
		}
	}
}

func BenchmarkGateway(b *testing.B) {
	for name, path := range map[string]string{"public": "/public", "personal": "/mine"} {
		b.Run(name, func(b *testing.B) {
			g, err := New(Config{Public: public}, stack(200, "application/json", strings.Repeat("x", 800)))
			if err != nil {
				b.Fatal(err)
			}
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			b.ReportAllocs()
			for b.Loop() {
				g.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

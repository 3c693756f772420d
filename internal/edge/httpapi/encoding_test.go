package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/meridian-commerce/meridian/internal/consistency"
)

// The best coding that the caller likes is taken, zstd before gzip where it likes both equally.
// TestAcceptEncoding has a stack that would pack its answer itself, as Connect does, if it knew that the caller accepts it.
func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	plain := stack(200, "application/json", strings.Repeat("meridian ", 500))
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			w.Header().Set("Content-Encoding", "of the stack")
		}
		plain(w, r)
	})
	for _, tt := range []struct{ accept, want string }{
		{"gzip, deflate, br, zstd", "zstd"}, // of today's browsers
		{"gzip, deflate, br", "gzip"},
		{"gzip, deflate", "gzip"},
		{"GZIP", "gzip"},
		{"deflate", ""},
		{"br", ""},
		{"", ""},
		{"*;q=0", ""},
		{"gzip;q=1.0, *;q=0", "gzip"},
		{"zstd;q=0, gzip", "gzip"},
		{"zstd;q=0.5, br;q=0.6, gzip;q=0.7", "gzip"},
		{"zstd;q=0.501, gzip;q=0.5", "zstd"},
		{"gzip; q=0.001", "gzip"},
		{"gzip;q=0", ""},
		{"gzip;q=0.000", ""},
		{"gzip;q=0.8, identity;q=0.8", "gzip"},
		{"gzip, identity;q=0", "gzip"},
		{"identity;q=0", ""},
		{"gzip;level=9", "gzip"},
		{"gzipped", ""},
	} {
		for _, path := range []string{"/mine", "/public"} {
			if got := ask(t, Config{}, next, http.MethodGet, path, "Accept-Encoding", tt.accept).Header().Get("Content-Encoding"); got != tt.want {
				t.Errorf("%s, %q: %q, want %q", path, tt.accept, got, tt.want)
			}
		}
	}
}

// A stream's head arrives when it is flushed: the caller knows that it listens before there is anything to hear.
func TestHeadsOfStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"gzip", "identity"} {
		heard := make(chan struct{})
		g, err := New(Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-heard
		}))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", accept)
		res, err := server.Client().Do(r) // returns once the head is here
		close(heard)
		if err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("No-Gzip-Compression") != "" || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the head is %v", accept, res.Header)
		}
		_ = res.Body.Close()
	}
}

// unpack undoes an answer's encoding.
func unpack(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var from io.Reader
	var err error
	switch w.Header().Get("Content-Encoding") {
	case "zstd":
		from, err = zstd.NewReader(w.Body)
	case "gzip":
		from, err = gzip.NewReader(w.Body)
	default:
		from = w.Body
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every encoding gives back what went in, whole and in parts, and one encoder serves many answers in turn.
func TestEncodingsUnpack(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Meridian serves the nearest region. ", 2000)
	for _, name := range []string{"zstd", "gzip"} {
		tags := map[string]bool{}
		for range 3 {
			for _, path := range []string{"/mine", "/public"} {
				w := ask(t, Config{}, stack(200, "application/json", long), http.MethodGet, path, "Accept-Encoding", name)
				size := w.Body.Len()
				if got := w.Header().Get("Content-Encoding"); got != name || size > len(long)/5 {
					t.Errorf("%s: %s is encoded by %q in %d bytes", path, name, got, size)
				}
				if tag := w.Header().Get("Etag"); tag != "" {
					tags[tag] = true
				}
				if got := unpack(t, w); got != long {
					t.Errorf("%s: %s unpacks to %d bytes", path, name, len(got))
				}
			}
		}
		if len(tags) != 1 {
			t.Errorf("%s: the same answer has the tags %v", name, tags)
		}
	}
}

// What is compressed is not the bytes that a stack's strong tag stands for.
func TestAStacksTagIsWeakened(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("meridian ", 500)
	for given, want := range map[string]string{`"own"`: `W/"own"`, `W/"own"`: `W/"own"`} {
		w := ask(t, Config{}, stack(200, "text/plain", long, "Etag", given), http.MethodGet, "/mine", "Accept-Encoding", "gzip")
		if got := w.Header().Get("Etag"); got != want {
			t.Errorf("%s became %s", given, got)
		}
		if got := ask(t, Config{}, stack(200, "text/plain", long, "Etag", given), http.MethodGet, "/mine").Header().Get("Etag"); got != given {
			t.Errorf("not compressed, %s became %s", given, got)
		}
	}
}

// A caller with a consistency token gets an answer of its own, which no cache keeps or gives.
func TestTokensAreNotAnsweredFromCaches(t *testing.T) {
	t.Parallel()
	next := stack(200, "application/json", "{}", "Vary", "origin, Accept-Encoding")
	token := consistency.Marks{}.With("product", "tea", 7).Token(time.Now())
	with := ask(t, Config{}, next, http.MethodGet, "/public", consistency.Header, token)
	if got := with.Header().Get("Cache-Control"); got != "private, no-store" || with.Header().Get("Etag") != "" {
		t.Errorf("with a token: %q, tag %q", got, with.Header().Get("Etag"))
	}
	without := ask(t, Config{}, next, http.MethodGet, "/public")
	if got := strings.Join(without.Header()["Vary"], "|"); got != "Accept-Encoding|origin, Accept-Encoding|Meridian-Consistency" {
		t.Errorf("without one, it varies by %q", got)
	}
}

package gateway

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/meridian-commerce/meridian/internal/consistency"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	known := newEncodings()
	for _, tt := range []struct{ accept, want string }{
		{"gzip, deflate, br, zstd", "zstd"}, // of today's browsers
		{"gzip, deflate, br", "gzip"},
		{"br, gzip;q=0.9", "br"},
		{"br", "br"},
		{"gzip, deflate", "gzip"},
		{"GZIP", "gzip"},
		{"deflate", ""},
		{"", ""},
		{"*", "zstd"},
		{"*;q=0", ""},
		{"gzip;q=1.0, *;q=0", "gzip"},
		{"zstd;q=0, *", "gzip"},
		{"zstd;q=0, gzip;q=0, *;q=0.1", "br"},
		{"zstd;q=0.5, br;q=0.6, gzip;q=0.7", "gzip"},
		{"zstd;q=0.501, br;q=0.5", "zstd"},
		{"gzip; q=0.001", "gzip"},
		{"gzip;q=0", ""},
		{"gzip;q=0.000", ""},
		{" gzip ; q = 0 ", ""},
		{"gzip;q=0.8, identity", ""}, // it likes what is not encoded better
		{"gzip;q=0.8, identity;q=0.8", "gzip"},
		{"gzip, identity;q=0", "gzip"},
		{"identity;q=0", ""},
		{"gzip;q=0.5;q=1", "gzip"},
		{"gzip;level=9", "gzip"},
		{"gzip;q=much", "gzip"},
		{"gzipped", ""},
	} {
		got := ""
		if e := choose(known, []string{tt.accept}); e != nil {
			got = e.name
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.accept, got, tt.want)
		}
	}
	if e := choose(known, []string{"deflate", "br"}); e == nil || e.name != "br" {
		t.Error("a second line does not count")
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
	case "br":
		from = brotli.NewReader(w.Body)
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
	for _, name := range []string{"zstd", "br", "gzip"} {
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
		w := ask(t, Config{}, stack(200, "text/plain", long, "Etag", given), http.MethodGet, "/mine", "Accept-Encoding", "br")
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
	if got := strings.Join(without.Header()["Vary"], "|"); got != "origin, Accept-Encoding|Meridian-Consistency" {
		t.Errorf("without one, it varies by %q", got)
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0")
	f.Add("identity;q=0.7, zstd;q=0.777")
	known := newEncodings()
	f.Fuzz(func(t *testing.T, accept string) {
		e := choose(known, []string{accept})
		if e == nil {
			return
		}
		if !strings.Contains(accept, "*") && !strings.Contains(strings.ToLower(accept), e.name) {
			t.Errorf("%q takes %s", accept, e.name)
		}
		if q := weightOf([]string{accept}, e.name); q < 1 || q > 1000 {
			t.Errorf("%q takes %s with %d thousandths", accept, e.name, q)
		}
	})
}

func BenchmarkEncodings(b *testing.B) {
	body := []byte(strings.Repeat(`{"handle":"fishermans-rib-sweater","title":"Fisherman's rib sweater","price":{"minor":14900}},`, 60))
	for _, e := range newEncodings() {
		b.Run(e.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				z := e.to(&out)
				_, _ = z.Write(body)
				e.done(z)
			}
			b.ReportMetric(float64(out.Len()), "bytes")
		})
	}
}

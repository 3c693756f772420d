package admission

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// TestSheds: in a region without room browse is refused, checkout is not, and other regions do not notice.
func TestSheds(t *testing.T) {
	t.Parallel()
	g := newGate(t, Config{Concurrency: 10})
	limiter := g.regions["eu-west-1"]
	for range 7 {
		limiter.enter(method.Browse)
	}
	reached := 0
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	for _, c := range []struct {
		name    string
		request *http.Request
		want    int
	}{
		{"browse", request(browsePath, "Home", "eu-west-1"), http.StatusServiceUnavailable},
		{"unknown region", request(browsePath, "Home", "mars-1"), http.StatusServiceUnavailable},
		{"cart", request(cartPath, "Home", "eu-west-1"), http.StatusOK},
		{"checkout", request(orderPath, "Home", "eu-west-1"), http.StatusOK},
		{"elsewhere", request(browsePath, "Home", "us-east-1"), http.StatusOK},
	} {
		reached = 0
		w := send(h, c.request)
		if w.Code != c.want || reached == 1 != (c.want == http.StatusOK) {
			t.Errorf("%s: %d, want %d; it reached the edge %d times", c.name, w.Code, c.want, reached)
		}
		if c.want == http.StatusOK {
			continue
		}
		if after := w.Header().Get("Retry-After"); after < "1" || after > "3" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", c.name, w.Header())
		}
	}
	if _, n := limiter.now(); n != 7 {
		t.Errorf("%d requests are under way, want the 7 of before", n)
	}
}

// TestFailoverSharesRoom: while another region serves a region's requests, they take room there.
func TestFailoverSharesRoom(t *testing.T) {
	t.Parallel()
	g := newGate(t, Config{Concurrency: 10})
	var servedBy, route string
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Meridian-Served-Region", servedBy)
		w.Header().Set("Meridian-Route", route)
		w.WriteHeader(http.StatusOK)
	}))
	for _, step := range []struct{ servedBy, route, want string }{
		{"us-east-1", "home", "us-east-1"},
		{"eu-west-1", "nearest", "us-east-1"}, // the expectation was wrong, but the region is up
		{"eu-west-1", "failover", "eu-west-1"},
		{"mars-1", "failover", "us-east-1"},
		{"eu-west-1", "failover", "eu-west-1"},
		{"us-east-1", "home", "us-east-1"},
	} {
		servedBy, route = step.servedBy, step.route
		send(h, request(cartPath, "Home", "us-east-1"))
		if got := g.limiterFor("us-east-1").region; got != regions.Name(step.want) {
			t.Errorf("after an answer of %s by %s the next takes room in %s, want %s", step.servedBy, step.route, got, step.want)
		}
	}
}

// TestLearnsFromAnswers: what the limiter is told of an answer.
func TestLearnsFromAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		status     int
		servedBy   string
		samples    int
	}{
		{"served", cartPath, http.StatusOK, "eu-west-1", 1},
		{"slow or refused", cartPath, http.StatusServiceUnavailable, "eu-west-1", 1},
		{"the caller's fault", cartPath, http.StatusNotFound, "eu-west-1", 0},
		{"a defect", cartPath, http.StatusInternalServerError, "eu-west-1", 0},
		{"no region", cartPath, http.StatusServiceUnavailable, "", 0},
		{"another region", cartPath, http.StatusOK, "us-east-1", 0},
		{"stream", watchPath, http.StatusOK, "eu-west-1", 0},
		{"the caller left", cartPath, http.StatusOK, "eu-west-1", 0},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if c.name == "the caller left" {
			cancel()
		}
		g := newGate(t, Config{Concurrency: 10})
		send(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.servedBy != "" {
				w.Header().Set("Meridian-Served-Region", c.servedBy)
			}
			w.WriteHeader(c.status)
		})), request(c.path, "Home", "eu-west-1").WithContext(ctx))
		cancel()
		if got := g.regions["eu-west-1"].samples; got != c.samples {
			t.Errorf("%s: %d samples, want %d", c.name, got, c.samples)
		}
	}
}

// TestPanicGivesRoomBack: a proxy ends a broken answer by a panic.
func TestPanicGivesRoomBack(t *testing.T) {
	t.Parallel()
	g := newGate(t, Config{Concurrency: 10})
	func() {
		defer func() { _ = recover() }()
		send(g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), request(cartPath))
	}()
	if _, n := g.regions["eu-west-1"].now(); n != 0 {
		t.Errorf("%d requests are under way", n)
	}
}

// TestSlowBodyTakesNoRoom: a request takes up room once its body is there.
func TestSlowBodyTakesNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, Config{Concurrency: 10})
		r := request(cartPath)
		slow, write := io.Pipe()
		r.Body, r.ContentLength = slow, -1
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { send(g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })), r) })
		inFlight := func() int64 {
			synctest.Wait()
			_, n := g.regions["eu-west-1"].now()
			return n
		}
		if n := inFlight(); n != 0 {
			t.Errorf("%d requests are under way before the body came", n)
		}
		_, _ = write.Write([]byte("{"))
		if n := inFlight(); n != 0 {
			t.Errorf("%d requests are under way before all of the body came", n)
		}
		_ = write.Close()
		if n := inFlight(); n != 1 {
			t.Errorf("%d requests are under way after it came, want 1", n)
		}
		close(release)
		wg.Wait()
	})
}

// TestOpenBodyOfNoMethod: what nobody will read is not waited for, since it may be a stream that stays open.
func TestOpenBodyOfNoMethod(t *testing.T) {
	t.Parallel()
	open, _ := io.Pipe()
	r := request("/grpc.reflection.v2.ServerReflection/ServerReflectionInfo")
	r.Body, r.ContentLength = open, -1
	if got := send(newGate(t, Config{Concurrency: 10}).Handler(ok), r); got.Code != http.StatusOK {
		t.Errorf("status %d", got.Code)
	}
}

// TestBodiesArriveWhole: whatever is read before a request is admitted, the edge gets all of it.
func TestBodiesArriveWhole(t *testing.T) {
	t.Parallel()
	h := newGate(t, Config{}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err == nil {
			_, _ = w.Write(got)
		} else {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	for _, size := range []int{0, 1, 511, 512, 513, prefetchMost - 1, prefetchMost, prefetchMost + 1, 3 * prefetchMost} {
		sent := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		for _, known := range []bool{true, false} {
			for _, path := range []string{cartPath, watchPath} {
				r := httptest.NewRequest(http.MethodPost, path, iotest.HalfReader(bytes.NewReader(sent)))
				if r.ContentLength = -1; known {
					r.ContentLength = int64(size)
				}
				if w := send(h, r); !bytes.Equal(w.Body.Bytes(), sent) {
					t.Errorf("%d bytes, length known %t, %s: %d arrived", size, known, path, w.Body.Len())
				}
			}
		}
	}
	late := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("{}"))) // an error once, then the rest
	if w := send(h, httptest.NewRequest(http.MethodPost, cartPath, late)); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), iotest.ErrTimeout.Error()) {
		t.Errorf("a body that broke off: %d %s", w.Code, w.Body)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	g, err := New(Config{Region: "eu-west-1", UserRate: 1, Concurrency: 8},
		Deps{Call: calls(t), Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Handler(ok)
	for range 5 {
		send(h, request(cartPath, "User", "u"))
	}
	for g.regions["eu-west-1"].enter(method.Browse) {
	}
	send(h, request(browsePath))
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()); v != 0 {
				got[strings.TrimPrefix(f.GetName(), "meridian_admission_")+labels(m)] = v
			}
		}
	}
	want := map[string]float64{
		"admitted_total cart": 2, "rejected_total cart user": 3, "rejected_total browse overload": 1,
		"limit eu-west-1": 8, "in_flight eu-west-1": 5, "buckets": 1,
		"meridian_edge_answer_duration_seconds cart ok": 2, "meridian_edge_answer_duration_seconds cart refused": 3,
		"meridian_edge_answer_duration_seconds browse failed": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func labels(m *dto.Metric) string {
	var text strings.Builder
	for _, l := range m.GetLabel() {
		text.WriteString(" " + l.GetValue())
	}
	return text.String()
}

// discard is a writer that costs nothing.
type discard struct{ header http.Header }

func (w discard) Header() http.Header         { return w.header }
func (w discard) Write(b []byte) (int, error) { return len(b), nil }
func (w discard) WriteHeader(int)             {}

func BenchmarkAdmit(b *testing.B) {
	g := newGate(b, Config{UserRate: 1e6, AddressRate: 1e6, SignInRate: 30, CheckoutRate: 60, Concurrency: 1024})
	h := g.Handler(ok)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := request(browsePath, "User", "usr_eu1_x", "Home", "eu-west-1")
		r.Body = http.NoBody
		w := discard{http.Header{}}
		for pb.Next() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	})
}

func BenchmarkRefuse(b *testing.B) {
	g := newGate(b, Config{UserRate: 1e6, AddressRate: 1e6, Concurrency: 8})
	for g.regions["eu-west-1"].enter(method.Browse) {
	}
	h := g.Handler(ok)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := request(browsePath, "User", "usr_eu1_x", "Home", "eu-west-1")
		w := discard{http.Header{}}
		for pb.Next() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	})
}

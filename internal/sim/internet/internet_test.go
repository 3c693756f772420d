package internet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

var errDead = errors.New("no answer")

// world starts one server per region and an internet in front of them.
func world(t *testing.T, handler http.Handler) (*Internet, map[regions.Name]*httptest.Server) {
	t.Helper()
	cfg := Config{Cities: Cities()}
	servers := map[regions.Name]*httptest.Server{}
	for _, r := range regions.Default().All() {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Meridian-Edge-Region", string(r.Name))
			handler.ServeHTTP(w, req)
		}))
		_ = s.Listener.Close()
		var err error
		if s.Listener, err = net.Listen("tcp", nettest.Address(t)); err != nil { // whose address refuses once it is closed
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Close)
		servers[r.Name] = s
		cfg.Edges = append(cfg.Edges, Edge{Region: r.Name, Place: r.Place, Addr: strings.TrimPrefix(s.URL, "http://")})
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n, servers
}

func clientIn(t *testing.T, n *Internet, city string) *http.Client {
	t.Helper()
	c, err := n.Caller(city, netip.MustParseAddr("86.44.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: c}
}

func get(t *testing.T, c *http.Client) (entry string, err error) {
	t.Helper()
	resp, err := c.Get("http://shop.example/")
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	return resp.Header.Get("Meridian-Edge-Region"), nil
}

func TestCallersEnterAtTheNearestEdge(t *testing.T) {
	t.Parallel()
	n, _ := world(t, http.NotFoundHandler())
	got := map[string]regions.Name{}
	for _, c := range Cities() {
		got[c.Place.City] = n.Nearest(c.Place.City)
	}
	const us, eu, ap = "us-east-1", "eu-west-1", "ap-southeast-1"
	want := map[string]regions.Name{
		"New York": us, "San Francisco": us, "Toronto": us, "Sao Paulo": us, "Dublin": eu, "London": eu, "Paris": eu,
		"Frankfurt": eu, "Madrid": eu, "Lagos": eu, "Johannesburg": ap, "Mumbai": ap, "Singapore": ap, "Tokyo": ap, "Sydney": ap,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheDistanceIsWaitedFor(t *testing.T) {
	t.Parallel()
	n, _ := world(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	client := clientIn(t, n, "Frankfurt")
	rtt := n.RTT("Frankfurt", "eu-west-1")
	for i, want := range []time.Duration{2 * rtt, rtt, rtt, rtt} { // the first request opens the connection
		start := time.Now()
		if _, err := get(t, client); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		t.Logf("request %d: %v over %v", i, took, want)
		if took < want {
			t.Errorf("request %d took %v, less than the %v that the distance takes", i, took, want)
		}
	}
}

func TestTheInternetStatesWhoTheCallerIs(t *testing.T) {
	t.Parallel()
	var seen http.Header
	n, _ := world(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { seen = req.Header }))
	if _, err := get(t, clientIn(t, n, "Dublin")); err != nil {
		t.Fatal(err)
	}
	if seen.Get("CF-IPCountry") != "IE" || seen.Get("X-Forwarded-For") != "86.44.1.1" {
		t.Errorf("the edge saw %v", seen)
	}
}

func TestARefusedConnectionTakesARoundTrip(t *testing.T) {
	t.Parallel()
	n, servers := world(t, http.NotFoundHandler())
	servers["eu-west-1"].Close()
	start := time.Now()
	_, err := get(t, clientIn(t, n, "Madrid"))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want a refused connection", err)
	}
	if took, rtt := time.Since(start), n.RTT("Madrid", "eu-west-1"); took < rtt {
		t.Errorf("refused after %v; the news takes %v", took, rtt)
	}
}

func TestWithdrawalResetsAndReroutes(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	arrived, release := make(chan struct{}), make(chan struct{})
	n, _ := world(t, http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		if hang.Load() {
			close(arrived)
			<-release
		}
	}))
	defer close(release)
	client := clientIn(t, n, "Dublin")
	if entry, err := get(t, client); err != nil || entry != "eu-west-1" {
		t.Fatalf("entered at %q: %v", entry, err)
	}
	hang.Store(true)
	failed := make(chan error)
	go func() {
		resp, err := client.Post("http://shop.example/", "text/plain", strings.NewReader("x"))
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	<-arrived
	hang.Store(false)
	eu := n.cities["Dublin"].order[0]
	n.observe(eu, errDead, time.Now())
	n.observe(eu, errDead, time.Now())
	if err := <-failed; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the request under way got %v, want a reset", err)
	}
	if entry, err := get(t, client); err != nil || entry != "us-east-1" {
		t.Errorf("after the withdrawal: entered at %q: %v", entry, err)
	}
	n.observe(eu, nil, time.Now())
	n.observe(eu, nil, time.Now())
	if entry, err := get(t, client); err != nil || entry != "eu-west-1" {
		t.Errorf("after the restoration: entered at %q: %v", entry, err)
	}
}

// An edge that declines is withdrawn, and finishes what it has.
func TestADecliningEdgeKeepsItsConnections(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	n, _ := world(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(arrived)
			<-release
		}
	}))
	client := clientIn(t, n, "Dublin")
	done := make(chan error)
	go func() {
		resp, err := client.Post("http://shop.example/", "text/plain", strings.NewReader("x"))
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	<-arrived
	eu := n.cities["Dublin"].order[0]
	for range 2 {
		n.observe(eu, fmt.Errorf("%w: 503", ErrDeclined), time.Now())
	}
	if n.Announced("eu-west-1") || !n.Announced("us-east-1") {
		t.Error("the edge that declines is still announced, or another is not")
	}
	if entry, err := get(t, client); err != nil || entry != "us-east-1" {
		t.Errorf("new requests enter at %q: %v", entry, err)
	}
	late, err := n.connect(t.Context(), n.cities["Dublin"], eu) // on its way when the edge was withdrawn
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Close() }()
	if c, ok := late.(*conn); !ok || c.broken.Load() {
		t.Error("a connection that was on its way is reset")
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the request under way got %v", err)
	}
}

func TestCallersEnterWhereEdgesDeclineWhenNoneIsAnnounced(t *testing.T) {
	t.Parallel()
	n, err := New(Config{Cities: Cities(), Edges: []Edge{
		{Region: "us-east-1", Place: regions.Place{Lat: 39, Lon: -77}}, {Region: "eu-west-1", Place: regions.Place{Lat: 53, Lon: -6}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dead, declined := errors.New("no answer"), fmt.Errorf("%w: 503", ErrDeclined)
	for _, step := range []struct {
		us, eu error
		want   regions.Name // "": nowhere
	}{
		{declined, nil, "eu-west-1"},
		{declined, dead, "us-east-1"},
		{dead, dead, ""},
		{dead, declined, "eu-west-1"},
	} {
		for range 3 {
			for _, e := range n.edges {
				n.observe(e, map[regions.Name]error{"us-east-1": step.us, "eu-west-1": step.eu}[e.Region], time.Now())
			}
		}
		got := regions.Name("")
		e, err := n.entry(n.cities["New York"])
		if err == nil {
			got = e.Region
		}
		if got != step.want || (step.want == "") != errors.Is(err, ErrNoEdge) {
			t.Errorf("us %v, eu %v: callers enter at %q (%v), want %q", step.us, step.eu, got, err, step.want)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, checks string // g is a good check, b a bad one
		want         string // the announcement after each
	}{
		{"one failure is forgiven", "gbgbg", "uuuuu"},
		{"two failures withdraw", "gbbb", "uudd"},
		{"two successes restore", "bbgbgg", "uddddu"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, err := New(Config{Cities: Cities()[:1], Edges: []Edge{{Region: "eu-west-1"}}})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, check := range tt.checks {
				var failure error
				if check == 'b' {
					failure = errDead
				}
				n.observe(n.edges[0], failure, time.Now())
				if _, err := n.entry(n.cities["New York"]); errors.Is(err, ErrNoEdge) {
					got += "d"
				} else {
					got += "u"
				}
			}
			if got != tt.want {
				t.Errorf("announced %s, want %s", got, tt.want)
			}
		})
	}
}

func TestADeadEdgeIsWithdrawnWithinTwoIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		n, err := New(Config{
			Cities: Cities()[:1], Edges: []Edge{{Region: "us-east-1"}},
			Probe: func(context.Context, Edge) error {
				if dead.Load() {
					return errors.New("refused")
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go n.Run(ctx)
		time.Sleep(10*time.Second + time.Millisecond)
		dead.Store(true)
		fault := time.Now()
		time.Sleep(3 * time.Second)
		changes := n.Changes()
		if len(changes) != 1 || changes[0].Up || changes[0].At.Sub(fault) > 2*time.Second {
			t.Errorf("changes after the fault at %v: %v", fault, changes)
		}
	})
}

func TestWeightFollowsTheLocalDay(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range Cities() {
		evening, morning := midnight.Add(20*time.Hour-c.UTC), midnight.Add(8*time.Hour-c.UTC)
		if c.Weight(evening) < 2.9*c.Weight(morning) {
			t.Errorf("%s: %v at 20:00 and %v at 08:00", c.Place.City, c.Weight(evening), c.Weight(morning))
		}
		if a := c.Address(7); !c.Block.Contains(a) || a == c.Address(8) {
			t.Errorf("%s: address %v of %v", c.Place.City, a, c.Block)
		}
	}
}

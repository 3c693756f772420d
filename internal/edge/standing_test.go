package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

// set gives a region a standing and operators' words.
func (f *fleet) set(n regions.Name, standing discovery.Standing, control discovery.Control) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.standing == nil {
		f.standing, f.control = map[regions.Name]discovery.Standing{}, map[regions.Name]discovery.Control{}
	}
	f.standing[n], f.control[n] = standing, control
	f.publish()
}

// everywhere is a site with a stack in each region, by the region's name.
func everywhere(t *testing.T) *site {
	t.Helper()
	return everywhereOn(t, nil)
}

// everywhereOn is everywhere on a network, which is in memory for a bubble of synctest.
func everywhereOn(t *testing.T, network *nettest.Memory) *site {
	t.Helper()
	s := newSiteOn(t, network)
	for _, n := range regions.Default().Names() {
		s.add(t, n, string(n), echo)
		s.set(n, discovery.Standing{}, discovery.Control{Weight: 100})
	}
	return s
}

// metric returns the sum of a metric over its labels.
func (s *site) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func (r reply) served() string { return r.Get("Stack") + " " + r.Get("Meridian-Route") }

func TestDrainedRegion(t *testing.T) {
	t.Parallel()
	s := everywhere(t)
	drain := discovery.Control{Weight: 100, Drain: discovery.Drain{Since: time.Now(), Until: time.Now().Add(time.Hour)}}
	s.set(eu, discovery.Standing{}, drain)
	if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "us-east-1 drained" {
		t.Errorf("served by %s", got.served())
	}
	if got := s.send(t, http.MethodPost, place, "{}", "Authorization", "Bearer home:eu-west-1"); got.served() != "us-east-1 drained" {
		t.Errorf("its users are served by %s", got.served())
	}
	got := s.send(t, http.MethodPost, product, "{}", "Meridian-Region", "eu-west-1")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "PINNED_REGION_DRAINED") || got.Get("Retry-After") == "" {
		t.Errorf("a hard pin: %d %s", got.status, got.body)
	}
	if n := s.metric(t, "meridian_edge_region_drained"); n != 1 {
		t.Errorf("%v regions count as drained", n)
	}
	drain.Drain.Until = time.Now()
	s.set(eu, discovery.Standing{}, drain)
	if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "eu-west-1 nearest" {
		t.Errorf("after its end: served by %s", got.served())
	}
}

// TestWeightsSplitCallers: half of the callers move, each always to the same region.
func TestWeightsSplitCallers(t *testing.T) {
	t.Parallel()
	s := everywhere(t)
	s.set(eu, discovery.Standing{}, discovery.Control{Weight: 50})
	seen := map[string]int{}
	for caller := range 60 {
		address := fmt.Sprintf("203.0.113.%d", caller)
		first := s.send(t, http.MethodPost, product, "{}", "X-Forwarded-For", address)
		again := s.send(t, http.MethodPost, product, "{}", "X-Forwarded-For", address)
		if first.served() != again.served() {
			t.Errorf("%s is served by %s, then by %s", address, first.served(), again.served())
		}
		seen[first.served()]++
	}
	if seen["eu-west-1 nearest"] < 15 || seen["us-east-1 spillover"] < 15 || len(seen) != 2 {
		t.Errorf("served by %v", seen)
	}
}

func TestPanicUsesAll(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", echo)
	s.add(t, us, "us/0", echo)
	s.lose("eu/0", "us/0")
	if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "eu/0 panic" {
		t.Errorf("got %d by %s", got.status, got.served())
	}
	if got := s.send(t, http.MethodPost, place, "{}", "Meridian-Region", "us-east-1"); got.served() != "us/0 panic" {
		t.Errorf("a hard pin: got %d by %s", got.status, got.served())
	}
	if n := s.metric(t, "meridian_edge_panic_requests_total"); n != 2 {
		t.Errorf("%v requests are counted", n)
	}
}

func TestOutcomesAreReported(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want []string
	}{
		"an answer":            {answers(404, "text/plain", ""), []string{"eu/0 true"}},
		"a defect":             {answers(500, "text/plain", ""), []string{"eu/0 true"}},
		"a gateway's error":    {answers(502, "text/plain", ""), []string{"eu/0 false"}},
		"a gateway's time-out": {answers(504, "text/plain", ""), []string{"eu/0 false"}},
		"a reset":              {reset, []string{"eu/0 false"}},
		"a refusal":            {answers(503, "application/json", appError), nil},
	} {
		s := newSite(t)
		s.add(t, eu, "eu/0", tc.h)
		s.send(t, http.MethodPost, place, "{}", "Connect-Timeout-Ms", "60000")
		if !slices.Equal(s.outcomes, tc.want) {
			t.Errorf("%s: reported %v, want %v", name, s.outcomes, tc.want)
		}
		// No number of callers ejects a stack by giving it no time.
		s.outcomes = nil
		s.send(t, http.MethodPost, place, "{}", "Connect-Timeout-Ms", "50")
		if strings.HasSuffix(name, "time-out") && len(s.outcomes) > 0 {
			t.Errorf("%s, without the time for more: reported %v", name, s.outcomes)
		}
	}
	s := newSite(t)
	s.add(t, eu, "eu/0", echo).kill()
	s.send(t, http.MethodPost, place, "{}")
	if !slices.Equal(s.outcomes, []string{"eu/0 false"}) {
		t.Errorf("a refused connection: reported %v", s.outcomes)
	}
}

// TestTrialOfAnEjectedRegion: it gets a few requests that can be repeated, and nothing else.
func TestTrialOfAnEjectedRegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := everywhereOn(t, nettest.NewMemory())
		away := discovery.Standing{Ejected: true, Until: time.Now().Add(time.Hour)}
		all := discovery.Control{Weight: 100}
		s.set(eu, away, all)
		if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "us-east-1 failover" {
			t.Errorf("ejected: served by %s", got.served())
		}
		away.Until = time.Now()
		s.set(eu, away, all)
		if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "eu-west-1 nearest" {
			t.Errorf("on trial: served by %s", got.served())
		}
		if got := s.send(t, http.MethodPost, place, "{}"); got.served() != "us-east-1 failover" {
			t.Errorf("on trial, what cannot be repeated: served by %s", got.served())
		}
		s.edge.trials[eu].Add(maxTrials)
		if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "us-east-1 failover" {
			t.Errorf("on trial by others: served by %s", got.served())
		}
		s.edge.trials[eu].Add(-maxTrials)
		if n := s.edge.trials[eu].Load(); n != 0 {
			t.Errorf("%d trials are not given back", n)
		}
	})
}

// TestFailedTrial: whoever was chosen for it does not notice.
func TestFailedTrial(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"reset": reset, "hangs": nil, "refuses": answers(503, "application/json", appError), "gateway error": answers(502, "text/plain", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSiteOn(t, nettest.NewMemory())
				if h == nil {
					h = hang(t)
				}
				s.add(t, eu, "eu/0", h)
				s.add(t, us, "us/0", echo)
				s.set(us, discovery.Standing{}, discovery.Control{Weight: 100})
				s.set(eu, discovery.Standing{Ejected: true}, discovery.Control{Weight: 100})
				got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k")
				if got.status != http.StatusOK || got.served() != "us/0 failover" || s.stacks[0].calls.Load() != 1 {
					t.Errorf("got %d by %s: %s", got.status, got.served(), got.body)
				}
				if n := s.edge.trials[eu].Load(); n != 0 {
					t.Errorf("%d trials are not given back", n)
				}
			})
		})
	}
}

// TestBrokenWayToARegion: a connection to another region breaks; its second instance is behind the same way.
func TestBrokenWayToARegion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := s.add(t, us, "us/0", reset), s.add(t, us, "us/1", reset)
	s.add(t, eu, "eu/0", echo)
	got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k", "Authorization", "Bearer home:us-east-1")
	if n := first.calls.Load() + second.calls.Load(); got.status != http.StatusOK || got.served() != "eu/0 failover" || n != 1 {
		t.Errorf("got %d by %s after %d calls there", got.status, got.served(), n)
	}
	s.lose("eu/0")
	if got := s.send(t, http.MethodPost, product, "{}", "Meridian-Prefer-Region", "us-east-1"); got.status != http.StatusBadGateway || first.calls.Load()+second.calls.Load() != 3 {
		t.Errorf("with nowhere else to go: got %d after %d calls", got.status, first.calls.Load()+second.calls.Load())
	}
}

func TestResidency(t *testing.T) {
	t.Parallel()
	text := strings.Replace(string(regions.DefaultYAML()), "\nrtt_ms:", "\nresidency_groups: [{name: americas, strict: true}]\nrtt_ms:", 1)
	set, err := regions.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{fleet: &fleet{}, client: http.DefaultClient}
	s.publish()
	if s.edge, err = newEdge(Config{Regions: set, Region: eu}, Deps{Tokens: tokens{}}, s.fleet); err != nil {
		t.Fatal(err)
	}
	s.connects(t, s.edge)
	s.url = "http://" + serveOn(t, "127.0.0.1:0", s.edge.Handler()).Addr
	american := []string{"Authorization", "Bearer home:us-east-1", "Idempotency-Key", "k"}
	home := s.add(t, us, "us/0", echo)
	other := s.add(t, eu, "eu/0", echo)
	if got := s.send(t, http.MethodPost, product, "{}", american...); got.served() != "us/0 failover" {
		t.Errorf("a read: %d by %s", got.status, got.served())
	}
	if got := s.send(t, http.MethodPost, product, "{}"); got.served() != "eu/0 nearest" {
		t.Errorf("anybody's read: %d by %s", got.status, got.served())
	}
	calls := other.calls.Load()
	home.kill()
	for _, lost := range []bool{false, true} {
		if lost {
			s.lose("us/0")
		}
		got := s.send(t, http.MethodPost, place, "{}", american...)
		if lost && (got.status != http.StatusUnavailableForLegalReasons || !strings.Contains(got.body, "RESIDENCY_FORBIDS") || got.Get("Retry-After") == "") {
			t.Errorf("lost: got %d %s", got.status, got.body)
		}
		if other.calls.Load() != calls {
			t.Errorf("an American's order was sent to Europe (lost: %t)", lost)
		}
	}
}

func TestCallerHash(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("203.0.113.5")
	if callerHash("usr_a", address) != callerHash("usr_a", netip.Addr{}) || callerHash("", address) == callerHash("", address.Next()) {
		t.Error("the user counts, else the address")
	}
	var tens [10]int
	for range 10_000 {
		address = address.Next()
		tens[callerHash("", address)%100/10]++
	}
	for i, n := range tens {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10000 addresses fall into the tenth %d", n, i)
		}
	}
}

// TestMeasuredRoundTrips: lasting measurements change where the edge sends requests; noise does not.
func TestMeasuredRoundTrips(t *testing.T) {
	t.Parallel()
	s := everywhere(t)
	s.lose(string(eu))
	measure := func(times int, us, ap time.Duration) string {
		for range times {
			s.edge.measured(map[discovery.Pair]time.Duration{
				discovery.PairOf(eu, "us-east-1"): us, discovery.PairOf("ap-southeast-1", eu): ap, discovery.PairOf("mars-1", eu): 1,
			})
		}
		return s.send(t, http.MethodPost, product, "{}").served()
	}
	if got := measure(1, 400*time.Millisecond, 175*time.Millisecond); got != "us-east-1 failover" {
		t.Errorf("after one measurement: %s", got)
	}
	if got := measure(500, 400*time.Millisecond, 175*time.Millisecond); got != "ap-southeast-1 failover" {
		t.Errorf("after many: %s", got)
	}
}

// BenchmarkDecide measures a decision with the view that it rests on.
func BenchmarkDecide(b *testing.B) {
	s := newSite(b)
	s.add(b, eu, "eu/0", echo)
	s.add(b, us, "us/0", echo)
	r := decide.Request{Method: s.edge.methods.Lookup(http.MethodPost, place), Home: us, Caller: 42}
	b.ReportAllocs()
	for b.Loop() {
		d := s.edge.decide(&r, time.Now())
		if _, ok := d.First(); !ok {
			b.Fatal("nobody serves")
		}
	}
}

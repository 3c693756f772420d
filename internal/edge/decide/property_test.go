package decide_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/regions"
)

// strict is the default set and a fourth region, where users of the Americas never leave those.
func strict(t testing.TB) *regions.Set {
	t.Helper()
	text := strings.Replace(string(regions.DefaultYAML()), "# A residency group", `
  - {name: us-west-2, code: us2, place: {city: Portland, country: US, lat: 45.5, lon: -122.7}, residency: americas, loopback: 127.0.4.0/24}
residency_groups: [{name: americas, strict: true}]
# A residency group`, 1)
	c, err := regions.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// scene is an edge's policy, the state of the regions and a request.
type scene struct {
	regions *regions.Set
	policy  *decide.Policy
	view    decide.View
	request decide.Request
}

func (s *scene) state(n regions.Name) decide.State { return s.view[slices.Index(s.regions.Names(), n)] }

func drawState(t *rapid.T) decide.State {
	total := rapid.IntRange(0, 4).Draw(t, "total")
	s := decide.State{
		Total: total, Healthy: rapid.IntRange(0, total).Draw(t, "healthy"),
		Drained: rapid.IntRange(0, 3).Draw(t, "drained") == 0, Ejected: rapid.IntRange(0, 3).Draw(t, "ejected") == 0,
		Weight: rapid.SampledFrom([]int{100, 100, 50, 1, 0}).Draw(t, "weight"), Ramp: rapid.SampledFrom([]int{0, 0, 10, 99}).Draw(t, "ramp"),
		Load: rapid.SampledFrom([]float64{0, 0.5, 0.8, 1, 7}).Draw(t, "load"),
	}
	s.Trial = s.Ejected && rapid.Bool().Draw(t, "trial")
	return s
}

func drawScene(t *rapid.T, sets []*regions.Set, tab *method.Table) *scene {
	s := &scene{regions: rapid.SampledFrom(sets).Draw(t, "regions")}
	names := append(s.regions.Names(), "", "mars-1")
	region := rapid.SampledFrom(names)
	var err error
	s.policy, err = decide.NewPolicy(s.regions, rapid.SampledFrom(s.regions.Names()).Draw(t, "edge"), geo.NewProximity(s.regions, nil))
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.regions.Names() {
		s.view[i] = drawState(t)
	}
	s.request = decide.Request{
		Method: tab.Lookup(http.MethodPost, rapid.SampledFrom([]string{place, product, signUp, watch, "/x"}).Draw(t, "path")),
		Home:   region.Draw(t, "home"), ID: region.Draw(t, "id"), Prefer: region.Draw(t, "prefer"), Require: region.Draw(t, "require"),
		Location: geo.Location{Region: region.Draw(t, "located")}, Caller: rapid.Uint64().Draw(t, "caller"),
	}
	return s
}

// tries returns the regions in the order to try them.
func tries(d *decide.Decision) (out []regions.Name) {
	for i := 0; ; i++ {
		c, ok := d.Next(i)
		if !ok {
			return out
		}
		out = append(out, c.Region)
	}
}

// TestDecideProperties holds every decision to what the package promises.
func TestDecideProperties(t *testing.T) {
	t.Parallel()
	tab, sets := table(t), []*regions.Set{regions.Default(), strict(t)}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, sets, tab)
		d := s.policy.Decide(&s.request, &s.view)
		again := s.policy.Decide(&s.request, &s.view)
		if diff := cmp.Diff(d, again, cmpopts.EquateComparable(decide.Decision{})); diff != "" {
			t.Fatalf("it decides differently the second time: %s", diff)
		}
		s.checkOrder(t, &d)
		s.checkShares(t, &d)
		s.checkTries(t, &d)
		steps := strings.Join(s.policy.Explain(&s.request, &d, &s.view), "\n")
		for _, c := range d.Candidates() {
			if !strings.Contains(steps, fmt.Sprintf(". %s (", c.Region)) || !strings.Contains(steps, string(c.Verdict)) {
				t.Fatalf("the verdict of %s (%s) is not explained:\n%s", c.Region, c.Verdict, steps)
			}
		}
	})
}

// checkOrder: each region once, its facts as they are; the first is the pin, the home, or the nearest.
func (s *scene) checkOrder(t *rapid.T, d *decide.Decision) {
	known := func(n regions.Name) bool { _, ok := s.regions.Lookup(n); return ok }
	seen := map[regions.Name]bool{}
	for _, c := range d.Candidates() {
		if seen[c.Region] || !known(c.Region) || c.Healthy != s.state(c.Region).Healthy || c.Total != s.state(c.Region).Total {
			t.Fatalf("candidate %+v", c)
		}
		seen[c.Region] = true
	}
	head, want := d.Candidates()[0].Region, len(s.regions.Names())
	if known(s.request.Require) {
		want = 1
	} else if s.request.Method.Locality == method.Home && known(s.request.Home) && head != s.request.Home {
		t.Fatalf("a HOME request of a user of %s starts at %s", s.request.Home, head)
	}
	if len(seen) != want {
		t.Fatalf("%d candidates", len(seen))
	}
}

// checkShares: if anybody serves, all callers are served, by regions that may be tried.
func (s *scene) checkShares(t *rapid.T, d *decide.Decision) {
	total, order := 0, tries(d)
	for _, c := range d.Candidates() {
		total += c.Share
		if c.Share < 0 || c.Share > 0 && !slices.Contains(order, c.Region) {
			t.Fatalf("share of %+v, but tried are %v", c, order)
		}
	}
	first, ok := d.First()
	if ok != (total == 100) || !ok && total != 0 || ok && first.Share == 0 {
		t.Fatalf("the shares add up to %d; %+v serves: %t", total, first, ok)
	}
}

// checkTries: never where residency forbids; never to a drained or ejected region while a better one lives;
// never to a dead one unless all are; and nobody who could serve is left out.
func (s *scene) checkTries(t *rapid.T, d *decide.Decision) {
	order, panicking := tries(d), true
	for _, n := range s.regions.Names() {
		st := s.state(n)
		panicking = panicking && 2*st.Healthy <= st.Total && (st.Total == 0 || 2*st.Healthy < st.Total)
	}
	for _, n := range order {
		for _, home := range []regions.Name{s.request.Home, s.request.ID} {
			if _, ok := s.regions.Lookup(home); ok && !s.regions.MayServe(home, n) {
				t.Fatalf("a user of %s may be sent to %s", home, n)
			}
		}
		if s.state(n).Healthy == 0 && !panicking {
			t.Fatalf("%s has no healthy instance", n)
		}
		for _, c := range d.Candidates() {
			other := s.state(c.Region)
			alive := c.Verdict != decide.VerdictForbidden && other.Healthy > 0
			if alive && s.state(n).Drained && !other.Drained || alive && s.state(n).Ejected && !s.state(n).Drained && !other.Ejected && !other.Drained {
				t.Fatalf("%s may be tried (%+v) although %s lives", n, s.state(n), c.Region)
			}
		}
	}
	if _, ok := d.First(); !ok {
		for _, c := range d.Candidates() {
			if c.Verdict != decide.VerdictForbidden && c.Healthy > 0 && !d.Drained {
				t.Fatalf("nobody serves although %s lives", c.Region)
			}
		}
	}
}

// TestMonotone: more healthy instances never lower a region's share, unless that ends a panic.
func TestMonotone(t *testing.T) {
	t.Parallel()
	tab, sets := table(t), []*regions.Set{regions.Default(), strict(t)}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, sets, tab)
		i := rapid.IntRange(0, len(s.regions.Names())-1).Draw(t, "region")
		before := s.policy.Decide(&s.request, &s.view)
		if s.view[i].Healthy == s.view[i].Total {
			return
		}
		s.view[i].Healthy++
		after := s.policy.Decide(&s.request, &s.view)
		if before.Panic {
			return
		}
		n := s.regions.Names()[i]
		if a, b := shareOf(&before, n), shareOf(&after, n); b < a {
			t.Fatalf("share of %s falls from %d to %d: %+v", n, a, b, s.view)
		}
	})
}

func shareOf(d *decide.Decision, n regions.Name) int {
	for _, c := range d.Candidates() {
		if c.Region == n {
			return c.Share
		}
	}
	return 0
}

// FuzzDecide takes states and requests apart from bytes: no panic, shares of 100 or of nothing.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{2, 2, 0, 2, 1, 0, 2, 0, 0}, uint64(7), "us-east-1", "", "eu-west-1")
	f.Add([]byte{255, 1, 3, 200, 255, 7}, uint64(99), "", "ap-southeast-1", "")
	p, tab := policy(f, eu), table(f)
	f.Fuzz(func(t *testing.T, bytes []byte, caller uint64, home, require, prefer string) {
		var v decide.View
		for i := range v {
			if 3*i+2 >= len(bytes) {
				break
			}
			b := bytes[3*i:]
			v[i] = decide.State{Total: int(b[0]), Healthy: int(b[1]), Drained: b[2]&1 > 0, Ejected: b[2]&2 > 0, Trial: b[2]&4 > 0,
				Weight: int(b[2] >> 1), Ramp: int(b[2]), Load: float64(b[1]) / 100}
		}
		for _, path := range []string{place, product, signUp} {
			r := decide.Request{Method: tab.Lookup(http.MethodPost, path), Home: regions.Name(home), Require: regions.Name(require), Prefer: regions.Name(prefer), Caller: caller}
			d := p.Decide(&r, &v)
			total := 0
			for _, c := range d.Candidates() {
				total += c.Share
			}
			if _, ok := d.First(); ok != (total == 100) || !ok && total != 0 {
				t.Errorf("shares of %d, %t", total, ok)
			}
			p.Explain(&r, &d, &v)
		}
	})
}

// TestDecideAllocatesNothing, because it is on the way of every request.
//
//nolint:paralleltest // AllocsPerRun counts what other tests allocate too
func TestDecideAllocatesNothing(t *testing.T) {
	p, tab, set := policy(t, eu), table(t), regions.Default()
	path, v := "/v1/orders/"+id.New(id.Order, "ap1")+"/events", health{us: 1, eu: 2}.view()
	if n := testing.AllocsPerRun(100, func() {
		r := decide.Request{Method: tab.Lookup(http.MethodGet, path), ID: method.RegionOfPath(set, path), Home: ap, Caller: 71}
		d := p.Decide(&r, v)
		for i := 0; ; i++ {
			if _, ok := d.Next(i); !ok {
				break
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	p, tab, set := policy(b, eu), table(b), regions.Default()
	path := "/v1/orders/" + id.New(id.Order, "ap1") + "/events"
	for name, h := range map[string]health{"all healthy": allHealthy, "home half lost": {us: 2, eu: 2, ap: 1}} {
		v := h.view()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := decide.Request{Method: tab.Lookup(http.MethodGet, path), ID: method.RegionOfPath(set, path), Home: ap, Caller: 42}
				d := p.Decide(&r, v)
				if _, ok := d.First(); !ok {
					b.Fatal("nobody serves")
				}
			}
		})
	}
}

package internet

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

// TestProfilesAreTerraforms: what a drill measures is what would be applied.
func TestProfilesAreTerraforms(t *testing.T) {
	t.Parallel()
	text := func(path string) string {
		raw, err := os.ReadFile("../../../terraform/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	_, check, _ := strings.Cut(text("modules/region/edge.tf"), "health_check {")
	setting := func(name string) time.Duration {
		m := regexp.MustCompile(`\b` + name + `\s*= (\d+)`).FindStringSubmatch(check)
		if m == nil {
			t.Fatalf("no %s", name)
		}
		n, _ := strconv.Atoi(m[1]) // digits
		return time.Duration(n) * time.Second
	}
	if n := setting("unhealthy_threshold"); n != inARow*time.Second || setting("healthy_threshold") != n {
		t.Errorf("it takes %d checks", n/time.Second)
	}
	entries := text("variables.tf") + text("modules/global/variables.tf")
	for _, p := range Profiles()[1:] {
		if p.Interval != setting("interval") || p.Timeout != setting("timeout") {
			t.Errorf("%+v", p)
		}
		if !strings.Contains(entries, strconv.Quote(p.Name)) {
			t.Errorf("%s is no entry", p.Name)
		}
		if got, err := ProfileOf(p.Name); err != nil || got != p {
			t.Errorf("%s: %+v, %v", p.Name, got, err)
		}
	}
	if _, err := ProfileOf("telepathy"); err == nil {
		t.Error("an unknown profile is known")
	}
}

// TestWhenCallersHear: how long after an edge went silent the first and the last city were seen to enter elsewhere, as
// looked at once an interval.
func TestWhenCallersHear(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]time.Duration{
		"fast":               {2 * time.Second, 2 * time.Second},
		"global-accelerator": {40 * time.Second, 40 * time.Second},
		"latency-records":    {20 * time.Second, 70 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, err := ProfileOf(name)
			if err != nil {
				t.Fatal(err)
			}
			var edges []Edge
			for _, r := range regions.Default().All() {
				edges = append(edges, Edge{Region: r.Name, Place: r.Place})
			}
			n, err := New(Config{Edges: edges, Cities: Cities(), Profile: p})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			const lost = regions.Name("eu-west-1")
			left := map[string]time.Duration{}
			for time.Since(began) <= p.Slowest() {
				time.Sleep(p.Interval)
				for _, e := range n.edges {
					if e.Region == lost {
						n.observe(e, errDead, time.Now())
					}
				}
				for city, a := range n.cities {
					e, err := n.entry(a)
					if err != nil {
						t.Fatal(err)
					}
					if _, gone := left[city]; !gone && n.Nearest(city) == lost && e.Region != lost {
						left[city] = time.Since(began)
					}
				}
			}
			got := [2]time.Duration{time.Hour, 0}
			for _, at := range left {
				got = [2]time.Duration{min(got[0], at), max(got[1], at)}
			}
			if diff := cmp.Diff(want, got); diff != "" || len(left) == 0 {
				t.Errorf("%s: first and last (-want +got):\n%s", name, diff)
			}
			if changes := n.Changes(); len(changes) != 1 || n.Announced(lost) {
				t.Errorf("%s: %v", name, changes)
			}
			if at := n.Changes()[0].At.Sub(began); at > want[1] || at <= want[1]-p.Interval {
				t.Errorf("%s: all have heard after %v", name, at)
			}
		})
	}
}

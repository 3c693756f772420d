package observetest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
)

const scrape = `# HELP requests_total Requests, by "code" | and \\ path.
# TYPE requests_total counter
requests_total{code="200",path="a\"b,c=\"}"} 3
requests_total{code="500",route="x"} 1
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{class="a",le="0.1"} 1
took_seconds_bucket{class="a",le="+Inf"} 2
took_seconds_sum{class="a"} 0.3
took_seconds_count{class="a"} 2
# TYPE up gauge
up 1
`

func TestExpose(t *testing.T) {
	t.Parallel()
	got := observetest.Schema{}
	if err := got.Expose(scrape); err != nil {
		t.Fatal(err)
	}
	want := observetest.Schema{
		"requests_total": {Name: "requests_total", Kind: observetest.Counter, Labels: []string{"code", "path", "route"}, Help: `Requests, by "code" | and \ path.`},
		"took_seconds":   {Name: "took_seconds", Kind: observetest.Histogram, Labels: []string{"class"}, Help: "Time."},
		"up":             {Name: "up", Kind: observetest.Gauge},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	read, err := observetest.ParseReference("# Metrics\n" + got.Reference())
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Errorf("the reference reads back as something else: %v %s", err, diff)
	}
}

func TestExposeRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no type":          "requests_total 3\n",
		"two types":        "# TYPE a counter\n# TYPE a gauge\n",
		"labels no end":    "# TYPE a counter\na{b=\"c\n",
		"label no value":   "# TYPE a counter\na{b} 3\n",
		"escape at an end": "# TYPE a counter\na{b=\"c\\",
	} {
		if err := (observetest.Schema{}).Expose(text); err == nil {
			t.Errorf("%s: %q was read", name, text)
		}
	}
	if _, err := observetest.ParseReference("| `a` | counter |  | x |\n| `a` | counter |  | x |\n"); err == nil {
		t.Error("a metric was listed twice")
	}
	if _, err := observetest.ParseReference("nothing"); err == nil {
		t.Error("a reference without a metric was read")
	}
}

// FuzzExpose: whatever a process answers, reading it ends, and what was read has a name.
func FuzzExpose(f *testing.F) {
	f.Add(scrape)
	f.Add("# TYPE a counter\na{b=\"c\\\\\"} 1 # {trace_id=\"x\"} 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := observetest.Schema{}
		if err := s.Expose(text); err != nil {
			return
		}
		for name, m := range s {
			if m.Name != name || strings.Contains(name, "\n") {
				t.Errorf("%q is listed as %q", m.Name, name)
			}
		}
	})
}

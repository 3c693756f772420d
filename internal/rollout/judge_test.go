package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWindows(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	for _, tc := range []struct {
		since time.Duration
		want  []time.Duration
	}{
		{59 * s, nil},
		{m, []time.Duration{m, m}},
		{3 * m, []time.Duration{3 * m, m}},
		{5 * m, []time.Duration{5 * m, m, 5 * m, 5 * m}},
		{20 * m, []time.Duration{5 * m, m, 20 * m, 5 * m}},
		{time.Hour, []time.Duration{5 * m, m, 30 * m, 5 * m}},
	} {
		if diff := cmp.Diff(tc.want, windows(tc.since)); diff != "" {
			t.Errorf("%s: %s", tc.since, diff)
		}
	}
}

// TestJudge has a budget of one request in a thousand: 14.4 times too fast is 1.44 %, 6 times is 0.6 %.
func TestJudge(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	one := func(bad, all float64) []Sample { return []Sample{{"x", bad, all}} }
	for _, tc := range []struct {
		name            string
		since           time.Duration
		samples         map[time.Duration][]Sample
		burning, proven bool
	}{
		{"too early", 30 * time.Second, nil, false, false},
		{"no requests", 5 * m, map[time.Duration][]Sample{5 * m: one(0, 0), m: one(0, 0)}, false, false},
		{"all good", 5 * m, map[time.Duration][]Sample{5 * m: one(0, 9000), m: one(0, 2000)}, false, true},
		{"all good, but few", 5 * m, map[time.Duration][]Sample{5 * m: one(0, 300), m: one(0, 60)}, false, false},
		{"an outage", m, map[time.Duration][]Sample{m: one(2000, 2000)}, true, true},
		{"an outage of a region with few callers", m, map[time.Duration][]Sample{m: one(12, 12)}, true, false},
		{"chance", m, map[time.Duration][]Sample{m: one(4, 12)}, false, false},
		{"below the fast rule", 4 * m, map[time.Duration][]Sample{4 * m: one(114, 8000), m: one(29, 2000)}, false, true},
		{"above it", 4 * m, map[time.Duration][]Sample{4 * m: one(117, 8000), m: one(30, 2000)}, true, true},
		{"it was, and is over", 4 * m, map[time.Duration][]Sample{4 * m: one(500, 8000), m: one(0, 2000)}, false, true},
		{"it was, and is over for long", 20 * m, map[time.Duration][]Sample{20 * m: one(500, 40000), 5 * m: one(0, 10000), m: one(0, 2000)}, false, true},
		{"it has just begun", 20 * m, map[time.Duration][]Sample{20 * m: one(30, 40000), 5 * m: one(30, 10000), m: one(30, 2000)}, false, true},
		{"slow and lasting", 30 * m, map[time.Duration][]Sample{30 * m: one(420, 60000), 5 * m: one(70, 10000), m: one(14, 2000)}, true, true},
		{"within the budget", 30 * m, map[time.Duration][]Sample{30 * m: one(60, 60000), 5 * m: one(10, 10000), m: one(2, 2000)}, false, true},
		{"few, but over a long while enough", 30 * m, map[time.Duration][]Sample{30 * m: one(0, 900), 5 * m: one(0, 150), m: one(0, 30)}, false, true},
		{"the second way to look", m, map[time.Duration][]Sample{m: {{"x", 0, 2000}, {"y", 100, 2000}}}, true, true},
		{"the second way sees nothing", m, map[time.Duration][]Sample{m: {{"x", 0, 2000}, {"y", 0, 0}}}, false, false},
	} {
		got := judge(0.999, tc.since, tc.samples)
		if got.Burning != tc.burning || got.Proven != tc.proven {
			t.Errorf("%s: %+v, want burning %v, proven %v", tc.name, got, tc.burning, tc.proven)
		}
	}
}

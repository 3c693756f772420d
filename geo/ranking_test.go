package geo_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/regions"
)

const week = 7 * 24 * 360 // measurements, one in ten seconds

// way is the true round trip from a region to another one, which changes now and then.
type way struct {
	rtt    []float64 // milliseconds, one for each span
	change int       // measurements in a span
}

func (w way) at(n int) float64 { return w.rtt[min(n/w.change, len(w.rtt)-1)] }

// noisy is a measurement of it: jitter, now and then a spike, now and then a dip.
func noisy(r *rand.Rand, ms float64) time.Duration {
	ms *= math.Exp(0.3 * r.NormFloat64())
	switch r.IntN(100) {
	case 0:
		ms *= 20
	case 1:
		ms /= 20
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// TestNoiseDoesNotFlap simulates weeks of noisy measurements: from each region, the ranking changes at most as
// often as the true one does, and in the end it is the true one.
func TestNoiseDoesNotFlap(t *testing.T) {
	t.Parallel()
	set := regions.Default()
	rapid.Check(t, func(t *rapid.T) {
		var euWay way
		for range rapid.IntRange(1, 4).Draw(t, "spans") {
			euWay.rtt = append(euWay.rtt, rapid.Float64Range(60, 500).Draw(t, "us to eu"))
		}
		euWay.change = week / len(euWay.rtt)
		apWay := rapid.Float64Range(200, 300).Draw(t, "us to ap")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		ranking := geo.NewRanking(set)
		seen := ranking.Proximity()
		truth, changes, trueChanges := seen, 0, 0
		for n := 0; n < week; n += 12 { // every other minute will do
			trueWay := func(a, b regions.Name) (float64, bool) {
				switch {
				case a == us && b == eu || a == eu && b == us:
					return euWay.at(n), true
				case a == us && b == ap || a == ap && b == us:
					return apWay, true
				}
				return 0, false
			}
			if n == 0 || euWay.at(n) != euWay.at(n-12) {
				now := geo.NewProximity(set, func(a, b regions.Name) (time.Duration, bool) {
					ms, ok := trueWay(a, b)
					return time.Duration(ms * float64(time.Millisecond)), ok
				})
				trueChanges += differences(truth, now)
				truth = now
			}
			if ranking.Observe(func(a, b regions.Name) (time.Duration, bool) {
				ms, ok := trueWay(a, b)
				return noisy(r, ms), ok
			}) {
				now := ranking.Proximity()
				changes += differences(seen, now)
				seen = now
			}
		}
		if changes > trueChanges {
			t.Fatalf("the ranking changed %d times, the true one %d times", changes, trueChanges)
		}
		if last := euWay.at(week - 1); (last > 1.5*apWay || apWay > 1.5*last) && seen.From(us)[1] != truth.From(us)[1] {
			t.Fatalf("eu is %v ms and ap %v ms from us in the end, but %s is ranked nearer", last, apWay, seen.From(us)[1])
		}
	})
}

// differences counts the regions from which two rankings differ.
func differences(a, b *geo.Proximity) (n int) {
	for _, from := range [...]regions.Name{us, eu, ap} {
		if !slices.Equal(a.From(from), b.From(from)) {
			n++
		}
	}
	return n
}

func TestRanking(t *testing.T) {
	t.Parallel()
	ranking := geo.NewRanking(regions.Default())
	observe := func(times int, ms float64) (moved int) {
		for range times {
			if ranking.Observe(func(a, b regions.Name) (time.Duration, bool) {
				return time.Duration(ms * float64(time.Millisecond)), a == "us-east-1" && b == "eu-west-1"
			}) {
				moved++
			}
		}
		return moved
	}
	near := func() regions.Name { return ranking.Proximity().From("us-east-1")[1] }
	for name, step := range map[string]struct{ ms float64 }{
		"faster than light": {3}, "negative": {-1}, "endless": {1e7}, "nothing": {0},
	} {
		if observe(5000, step.ms); ranking.Proximity().RTT("us-east-1", "eu-west-1") != 70*time.Millisecond {
			t.Errorf("%s: believed", name)
		}
	}
	if observe(1000, 230); near() != "eu-west-1" {
		t.Error("a region is overtaken by one that is hardly nearer")
	}
	if moved := observe(1000, 400); near() != "ap-southeast-1" || moved != 1 {
		t.Errorf("after a lasting change %s is nearest, after %d moves", near(), moved)
	}
	if rtt := ranking.Proximity().RTT("eu-west-1", "us-east-1"); rtt < 390*time.Millisecond || rtt > 400*time.Millisecond {
		t.Errorf("the estimate is %s", rtt)
	}
	p := ranking.Proximity()
	for _, n := range regions.Default().Names() {
		if got := p.From(n); got[0] != n || len(got) != 3 || !slices.Contains(got, "us-east-1") {
			t.Errorf("from %s: %v", n, got)
		}
	}
}

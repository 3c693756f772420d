package discovery

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/regions"
)

// caller is one of some callers.
func caller(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n % witnesses)}) }

// fail reports failures in a row of one of a region's instances, for several callers.
func fail(v *View, region regions.Name, instance, times int) {
	e := v.Snapshot().Region(region).Members[instance].Endpoint
	for n := range times {
		v.Report(e, false, caller(n))
	}
}

// wholeView has so many healthy instances of each region.
func wholeView(counts ...int) *View {
	v := newView(Config{Regions: regions.Default(), Region: eu})
	for i, n := range v.regions.Names() {
		for k := range counts[i] {
			id := fmt.Sprint(k)
			v.states[n].instances[id] = &tracked{endpoint: NewEndpoint(id, "", n, "", 0), check: checker{healthy: true, known: true}}
		}
	}
	v.publish()
	return v
}

// TestNoCallerEjectsAlone: whatever the requests of one address come to, no standing changes while probes are answered.
// With two addresses more, or where no caller can be the cause, it does.
func TestNoCallerEjectsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		v := wholeView(2, 2, 2)
		for range rapid.IntRange(0, 100).Draw(rt, "requests") {
			region := rapid.SampledFrom([]regions.Name{us, eu, ap}).Draw(rt, "region")
			e := v.Snapshot().Region(region).Members[rapid.IntRange(0, 1).Draw(rt, "instance")].Endpoint
			v.Report(e, rapid.IntRange(0, 9).Draw(rt, "luck") == 0, caller(0))
		}
		for _, r := range v.Snapshot().Regions() {
			if len(r.Healthy) != 2 || r.Ejected {
				rt.Fatalf("%s: %+v", r.Name, r)
			}
		}
	})
	v := wholeView(2, 2, 2)
	for n := range witnesses {
		for range tolerated {
			v.Report(v.Snapshot().Region(eu).Members[0].Endpoint, false, caller(n))
		}
		if healthy := len(v.Snapshot().Region(eu).Healthy); (healthy == 1) != (n == witnesses-1) {
			t.Errorf("after failures of %d addresses, %d instances serve", n+1, healthy)
		}
	}
	for range tolerated {
		v.Report(v.Snapshot().Region(us).Members[0].Endpoint, false, netip.Addr{})
	}
	if healthy := len(v.Snapshot().Region(us).Healthy); healthy != 1 {
		t.Errorf("after refused connections, %d instances serve", healthy)
	}
}

// loaded starts a view and waits until it knows every instance.
func loaded(t *testing.T, w *world) *View {
	t.Helper()
	v := start(t, w)
	expect(t, v, 300*time.Millisecond, "2/2 2/2 2/2")
	return v
}

func TestOutlierIsEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := loaded(t, newWorld())
		fail(v, eu, 0, tolerated-1)
		v.Report(v.Snapshot().Region(eu).Members[0].Endpoint, true, caller(0)) // in between: they are not in a row
		fail(v, eu, 0, tolerated-1)
		expect(t, v, 0, "2/2 2/2 2/2")
		fail(v, eu, 0, 1)
		expect(t, v, 0, "2/2 1/2 2/2")
		if m := v.Snapshot().Region(eu).Members[0]; !m.Ejected || m.Healthy || m.Up.Err() != nil {
			t.Errorf("got %+v", m)
		}
		fail(v, eu, 0, tolerated) // requests that were under way there
		expect(t, v, 5*time.Second-time.Millisecond, "2/2 1/2 2/2")
		expect(t, v, time.Millisecond, "2/2 2/2 2/2")
		if m := v.Snapshot().Region(eu).Members[0]; m.Ramp(time.Now(), 10) != 1 || m.Ramp(time.Now().Add(SlowStart), 10) != 10 {
			t.Error("it does not start slowly")
		}
		fail(v, eu, 0, tolerated) // again: twice as long
		expect(t, v, 10*time.Second-time.Millisecond, "2/2 1/2 2/2")
		expect(t, v, time.Millisecond, "2/2 2/2 2/2")
		time.Sleep(forgetAfter + time.Second) // long ago: as the first
		fail(v, eu, 0, tolerated)
		expect(t, v, 5*time.Second, "2/2 2/2 2/2")
	})
}

// TestEjectionsAreCapped at five minutes, and at half of the instances.
func TestEjectionsAreCapped(t *testing.T) {
	t.Parallel()
	var e ejection
	now := time.Now()
	for n := 1; n <= 100; n++ {
		want := min(time.Duration(n)*5*time.Second, 300*time.Second)
		if got := e.begin(now, Recovery{}.orDefault()); got != want {
			t.Errorf("ejection %d lasts %s, want %s", n, got, want)
		}
		now = e.until
	}
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(1, 7), 3, 3).Draw(rt, "instances")
		failures := rapid.SliceOf(rapid.Custom(func(rt *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 2).Draw(rt, "region"), rapid.IntRange(0, 6).Draw(rt, "instance")}
		})).Draw(rt, "failures")
		v := wholeView(counts...)
		names := v.regions.Names()
		for _, f := range failures {
			if f[1] < counts[f[0]] {
				fail(v, names[f[0]], f[1], tolerated)
			}
		}
		inService := 0
		for _, r := range v.Snapshot().Regions() {
			ejected := 0
			for _, m := range r.Members {
				if m.Ejected {
					ejected++
				}
			}
			if 2*ejected > len(r.Members) {
				rt.Fatalf("%d of %d instances of %s are ejected", ejected, len(r.Members), r.Name)
			}
			if !r.Ejected {
				inService++
			}
		}
		if inService == 0 {
			rt.Fatal("every region is ejected for what its requests came to")
		}
	})
}

func TestRegionThatFailsAsAWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := loaded(t, newWorld())
		region := func() Region { return v.Snapshot().Region(eu) }
		fail(v, eu, 0, tolerated)
		fail(v, eu, 1, tolerated-1)
		if region().Ejected {
			t.Error("ejected while one of its instances works")
		}
		fail(v, eu, 1, 1)
		if r := region(); !r.Ejected || r.Trial(time.Now()) || !r.Trial(time.Now().Add(5*time.Second)) {
			t.Errorf("got %+v", r.Standing)
		}
		other := region().Members[1].Endpoint
		v.Report(other, true, caller(0)) // was under way
		if !region().Ejected {
			t.Error("readmitted before its time")
		}
		time.Sleep(5 * time.Second)
		v.Report(other, false, caller(0)) // one caller's trials fail, which proves nothing
		v.Report(other, false, caller(0))
		if r := region(); !r.Ejected || !r.Trial(time.Now()) {
			t.Errorf("after trials of one caller: %+v", r.Standing)
		}
		v.Report(other, false, netip.Addr{}) // the trial fails: twice as long
		if r := region(); !r.Ejected || r.Trial(time.Now().Add(10*time.Second-time.Millisecond)) || !r.Trial(time.Now().Add(10*time.Second)) {
			t.Errorf("after a failed trial: %+v", r.Standing)
		}
		time.Sleep(10 * time.Second)
		v.Report(other, true, caller(0))
		now := time.Now()
		if r := region(); r.Ejected || r.Ramp(now) != 1 || r.Ramp(now.Add(SlowStart/2)) != 50 || r.Ramp(now.Add(SlowStart)) != 100 {
			t.Errorf("after a good trial: %+v", r.Standing)
		}
	})
}

// TestFlappingRegionStaysAway longer each time, and a region that was lost starts slowly.
func TestFlappingRegionStaysAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := loaded(t, w)
		lose := func() {
			w.change(func() {
				for _, r := range w.lists[us] {
					w.answers[r.addr] = errLost
				}
			})
			time.Sleep(time.Second)
			w.change(func() { clear(w.answers) })
			time.Sleep(time.Second)
		}
		if v.Snapshot().Region(us).Ejected {
			t.Error("a region that just came up is ejected")
		}
		for n := 1; n <= 3; n++ {
			lose()
			r := v.Snapshot().Region(us)
			if away := time.Until(r.Until); !r.Ejected || len(r.Healthy) != 2 || away > time.Duration(n)*5*time.Second || away < time.Duration(n)*5*time.Second-2*time.Second {
				t.Errorf("loss %d: away for %s: %+v", n, away, r.Standing)
			}
		}
		time.Sleep(15 * time.Second)
		if r := v.Snapshot().Region(us); !r.Ejected || !r.Trial(time.Now()) {
			t.Errorf("it was readmitted with nothing proved: %+v", r.Standing)
		}
		v.Report(v.Snapshot().Region(us).Members[0].Endpoint, true, caller(0))
		if r := v.Snapshot().Region(us); r.Ejected || r.Ramp(time.Now()) != 1 {
			t.Errorf("got %+v", r.Standing)
		}
	})
}

// TestBlindness: a process that sees no region any more does not take them for lost when it sees them again.
func TestBlindness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := loaded(t, w)
		fail(v, us, 0, tolerated)
		fail(v, us, 1, tolerated)
		if !v.Snapshot().Region(us).Ejected {
			t.Error("the American region is not ejected")
		}
		w.change(func() {
			for _, list := range w.lists {
				for _, r := range list {
					w.answers[r.addr] = errLost
				}
			}
		})
		expect(t, v, time.Second, "0/2 0/2 0/2")
		w.change(func() { clear(w.answers) })
		expect(t, v, 6*time.Second, "2/2 2/2 2/2")
		for _, r := range v.Snapshot().Regions() {
			if r.Ejected || r.Ramp(time.Now()) != 100 {
				t.Errorf("%s: %+v", r.Name, r.Standing)
			}
		}
	})
}

func TestReportsOfStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := loaded(t, newWorld())
		for _, e := range []*Endpoint{{ID: "x", Region: "mars-1"}, {ID: "x", Region: eu}, {ID: "eu-west-1-stack-1", Region: eu}} {
			for n := range 2 * tolerated {
				v.Report(e, false, caller(n))
			}
			v.Report(e, true, caller(0))
		}
		expect(t, v, 0, "2/2 2/2 2/2")
	})
}

func TestLoadIsSmoothed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.loads["127.0.2.11:8080"], w.loads["127.0.2.12:8080"] = 1, 0.5
		v := start(t, w)
		time.Sleep(probeInterval)
		if load := v.Snapshot().Region(eu).Load(); load <= 0 || load > 0.2 {
			t.Errorf("after the first probes the load is %v", load)
		}
		time.Sleep(time.Minute)
		if load := v.Snapshot().Region(eu).Load(); load < 0.74 || load > 0.76 {
			t.Errorf("in the end the load is %v", load)
		}
		if load := v.Snapshot().Region("mars-1").Load(); load != 0 {
			t.Errorf("nobody's load is %v", load)
		}
	})
	for text, want := range map[string]float64{"0.5": 0.5, "": 0, "x": 0, "-1": 0, "NaN": 0, "1e9": maxLoad, "+Inf": maxLoad} {
		if got := parseLoad(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

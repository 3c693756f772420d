package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/serf/coordinate"

	"github.com/meridian-commerce/meridian/regions"
)

// read implements controls: what operators said, by the European Consul.
func (w *world) read(ctx context.Context, index uint64) (map[regions.Name]Control, []string, uint64, error) {
	w.mu.Lock()
	for w.index == index && w.consul[eu] {
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, nil, 0, ctx.Err()
		case <-changed:
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if !w.consul[eu] {
		return nil, nil, 0, errLost
	}
	return maps.Clone(w.said), nil, w.index, nil
}

func (w *world) roundTrips(context.Context) (map[Pair]time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.consul[eu] {
		return nil, errLost
	}
	return maps.Clone(w.rtt), nil
}

// TestDrainArrivesAndEnds also while Consul is lost: the last word counts, and it ends by itself.
func TestDrainArrivesAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := loaded(t, w)
		control := func() Control { synctest.Wait(); return v.Snapshot().Region(us).Control }
		if c := control(); c.Drained(time.Now()) || c.Weight != 100 {
			t.Errorf("before: %+v", c)
		}
		begun := time.Now()
		w.change(func() {
			w.said = map[regions.Name]Control{us: {Drain: Drain{begun, begun.Add(time.Hour), "a test"}, Weight: 30}}
		})
		time.Sleep(minPause)
		if c := control(); !c.Drained(time.Now()) || c.Weight != 30 || v.Snapshot().Region(eu).Control.Drained(time.Now()) {
			t.Errorf("drained: %+v", c)
		}
		w.change(func() { w.consul[eu], w.said = false, nil })
		time.Sleep(30 * time.Minute)
		if c := control(); !c.Drained(time.Now()) {
			t.Errorf("Consul was lost, and with it the drain: %+v", c)
		}
		time.Sleep(30 * time.Minute)
		if c := control(); c.Drained(time.Now()) || c.Weight != 30 {
			t.Errorf("after its end: %+v", c)
		}
		w.change(func() { w.consul[eu] = true })
		time.Sleep(lastRetry)
		if c := control(); c.Drained(time.Now()) || c.Weight != 100 {
			t.Errorf("Consul is back: %+v", c)
		}
	})
}

func TestParseControls(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	drain := func(lasts time.Duration) []byte {
		text, err := json.Marshal(Drain{Since: since, Until: since.Add(lasts), Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	got, bad := parseControls(map[string][]byte{
		"meridian/drain/us-east-1": drain(time.Hour), "meridian/weight/us-east-1": []byte(" 25\n"),
		"meridian/drain/eu-west-1":      drain(1000 * time.Hour), // longer than a drain may be
		"meridian/weight/mars-1":        []byte("0"),
		"meridian/drain/bad-1":          []byte("{"),
		"meridian/drain/bad-2":          []byte("{}"),
		"meridian/drain/bad-3":          drain(-time.Hour),
		"meridian/weight/bad-4":         []byte("101"),
		"meridian/weight/bad-5":         []byte("-1"),
		"meridian/weight/bad-6":         nil,
		"meridian/something/else/again": []byte("?"),
	})
	want := map[regions.Name]Control{
		us: {Drain{since, since.Add(time.Hour), "x"}, 25}, eu: {Drain{since, since.Add(MaxDrain), "x"}, 100}, "mars-1": {Weight: 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	slices.Sort(bad)
	for i, key := range bad {
		if !strings.HasSuffix(key, fmt.Sprintf("bad-%d", i+1)) {
			t.Errorf("bad is %s", key)
		}
	}
	if len(bad) != 6 {
		t.Errorf("bad are %v", bad)
	}
}

// FuzzControls: whatever the store holds, weights are percentages and drains are no longer than allowed.
func FuzzControls(f *testing.F) {
	f.Add("meridian/drain/us-east-1", []byte(`{"since":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z"}`))
	f.Add("meridian/weight/us-east-1", []byte("50"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		said, _ := parseControls(map[string][]byte{key: value})
		for _, c := range said {
			if c.Weight < 0 || c.Weight > 100 || c.Drain.Until.Sub(c.Drain.Since) > MaxDrain {
				t.Errorf("%q: %q gives %+v", key, value, c)
			}
		}
	})
}

func TestRoundTripsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.rtt = map[Pair]time.Duration{PairOf(us, eu): 71 * time.Millisecond}
		var mu sync.Mutex
		var told []map[Pair]time.Duration
		v := newView(Config{Regions: regions.Default(), Region: eu, Measured: func(m map[Pair]time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, m)
		}})
		v.local = w
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { v.watchRoundTrips(ctx) })
		time.Sleep(time.Minute)
		w.change(func() { w.consul[eu] = false })
		time.Sleep(time.Minute)
		cancel()
		watch.Wait()
		if len(told) < 3 || len(told) > 12 || told[0][PairOf(eu, us)] != 71*time.Millisecond {
			t.Errorf("told %v", told)
		}
	})
}

func TestDistances(t *testing.T) {
	t.Parallel()
	at := func(height float64) *coordinate.Coordinate {
		c := coordinate.NewCoordinate(coordinate.DefaultConfig())
		c.Height = height
		return c
	}
	short := at(1)
	short.Vec = short.Vec[:1]
	center := func(name, area string, coords ...*coordinate.Coordinate) *api.CoordinateDatacenterMap {
		m := &api.CoordinateDatacenterMap{Datacenter: name, AreaID: area}
		for _, c := range coords {
			m.Coordinates = append(m.Coordinates, api.CoordinateEntry{Coord: c})
		}
		return m
	}
	got := distances([]*api.CoordinateDatacenterMap{
		center("us-east-1", "wan", at(0.010), at(0.030), at(9)), center("eu-west-1", "wan", at(0.020), nil, short),
		center("eu-west-1", "wan", at(0.020)), center("ap-southeast-1", "other", at(1)), center("mars-1", "wan"),
	})
	want := map[Pair]time.Duration{{"eu-west-1", "us-east-1"}: 50 * time.Millisecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// operatorDrains drains and undrains a region by a Consul of another one.
func operatorDrains(t *testing.T, servers map[regions.Name]*consulServer, v *View) {
	t.Helper()
	o, err := NewOperator(servers[us].addr())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Round(time.Second)
	drain := Drain{Since: now, Until: now.Add(time.Hour), Reason: "maintenance"}
	// What an operator says has two seconds, which a busy machine may need for something else.
	eventually(t, "Consul takes the drain", func() bool { return o.Drain(t.Context(), eu, us, drain) == nil })
	drained := func() bool { return v.Snapshot().Region(us).Control.Drained(time.Now()) }
	eventually(t, "the European edge knows of the drain", drained)
	controls := func(of regions.Name) (said map[regions.Name]Control) {
		eventually(t, "Consul says what edges are told", func() bool {
			var bad []string
			var err error
			if said, bad, err = o.Controls(t.Context(), of); len(bad) > 0 {
				t.Errorf("the edges are told %v", bad)
			}
			return err == nil
		})
		return said
	}
	if diff := cmp.Diff(map[regions.Name]Control{us: {drain, 100}}, controls(eu)); diff != "" {
		t.Errorf("the edges are told %s", diff)
	}
	if said := controls(""); len(said) > 0 {
		t.Errorf("the edges of the agent's region are told %v", said)
	}
	eventually(t, "Consul takes its end", func() bool { return o.Undrain(t.Context(), eu, us) == nil })
	eventually(t, "the European edge knows of its end", func() bool { return !drained() })
	for _, lasts := range []time.Duration{time.Second, 73 * time.Hour} {
		if err := o.Drain(t.Context(), eu, us, Drain{Since: now, Until: now.Add(lasts)}); err == nil {
			t.Errorf("a drain of %s is taken", lasts)
		}
	}
	eventually(t, "Consul estimates the round trip", func() bool {
		found, err := v.local.roundTrips(t.Context())
		return err == nil && found[PairOf(us, eu)] > 0
	})
}

package rollout

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us = regions.Name("us-east-1")
	eu = regions.Name("eu-west-1")
	ap = regions.Name("ap-southeast-1")
)

// world is regions as far as a rollout sees them. Versions burn, do not start, or cannot be installed by their name.
type world struct {
	t        *testing.T
	drained  map[regions.Name]time.Time
	reason   map[regions.Name]string
	version  map[regions.Name]string
	sick     map[regions.Name]bool
	deaf     int                  // calls to Undrain that fail
	noMeter  func(time.Time) bool // when Prometheus does not answer
	rate     float64              // requests a second of each region
	events   []string
	began    time.Time
	changing func(n regions.Name) // during the command
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, drained: map[regions.Name]time.Time{}, reason: map[regions.Name]string{}, version: map[regions.Name]string{},
		sick: map[regions.Name]bool{}, rate: 100, began: time.Now(), noMeter: func(time.Time) bool { return false }, changing: func(regions.Name) {},
	}
	for _, n := range []regions.Name{us, eu, ap} {
		w.version[n] = "old"
	}
	return w
}

func (w *world) event(format string, args ...any) {
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

func (w *world) isDrained(n regions.Name) bool { return w.drained[n].After(time.Now()) }

// Drain implements Fleet.
func (w *world) Drain(_ context.Context, n regions.Name, until time.Time, why string) error {
	for other := range w.version {
		if other != n && w.isDrained(other) {
			w.t.Errorf("%s is drained while %s is", n, other)
		}
	}
	w.drained[n], w.reason[n] = until, why
	w.event("drain %s", n)
	return nil
}

// Undrain implements Fleet.
func (w *world) Undrain(_ context.Context, n regions.Name) error {
	if w.deaf > 0 {
		w.deaf--
		return errors.New("no Consul")
	}
	delete(w.drained, n)
	w.event("undrain %s", n)
	return nil
}

// Standing implements Fleet.
func (w *world) Standing(_ context.Context, n regions.Name) (Standing, error) {
	s := Standing{Healthy: 4, Total: 4, DrainedUntil: w.drained[n], Reason: w.reason[n]}
	if w.sick[n] || w.version[n] == "dead" {
		s.Healthy = 3
	}
	return s, nil
}

// Count implements Meter.
func (w *world) Count(_ context.Context, n regions.Name, last time.Duration) ([]Sample, error) {
	if w.noMeter(time.Now()) {
		return nil, errors.New("no Prometheus")
	}
	s := Sample{Indicator: "requests", All: w.rate * last.Seconds()}
	if w.version[n] == "burning" {
		s.Bad = s.All / 20
	}
	return []Sample{s}, nil
}

// install returns a command that puts a version in place, in half a minute.
func (w *world) install(version string) Command {
	return func(ctx context.Context, n regions.Name) error {
		if !w.isDrained(n) {
			w.t.Errorf("%s is changed while it serves", n)
		}
		w.event("%s %s", version, n)
		w.changing(n)
		if err := clock.Sleep(ctx, 30*time.Second); err != nil {
			return err
		}
		if version == "broken" {
			return errors.New("exit status 1")
		}
		w.version[n] = version
		return nil
	}
}

func (w *world) config(version, back string) Config {
	return Config{
		All: []regions.Name{us, eu, ap}, Regions: []regions.Name{ap, eu, us}, Fleet: w, Meter: w, Change: w.install(version), RollBack: w.install(back),
		Save: SaveTo(filepath.Join(w.t.TempDir(), "state.json")), Report: func(n regions.Name, text string) { w.t.Log(time.Since(w.began), n, text) },
		Objective: 0.999, Settle: 30 * time.Second, Limit: 10 * time.Minute, Ready: 5 * time.Minute, Bake: 30 * time.Minute, Poll: 10 * time.Second,
	}
}

func (w *world) run(c Config, s State) error {
	w.t.Helper()
	r, err := New(c, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Run(w.t.Context())
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		version, back string
		arrange       func(w *world)
		err           error
		says          string
		events        string
		drained       bool
		within        time.Duration
	}{
		{name: "well", version: "new", back: "old",
			events: "drain ap, new ap, undrain ap, drain eu, new eu, undrain eu, drain us, new us, undrain us", within: 3 * 32 * time.Minute},
		{name: "burns", version: "burning", back: "old", err: ErrRolledBack, says: "50.0 times the error budget",
			events: "drain ap, burning ap, undrain ap, drain ap, old ap, undrain ap", within: 5 * time.Minute},
		{name: "does not install", version: "broken", back: "old", err: ErrRolledBack, says: "exit status 1",
			events: "drain ap, broken ap, drain ap, old ap, undrain ap", within: 4 * time.Minute},
		{name: "does not start", version: "dead", back: "old", err: ErrRolledBack, says: "3 of 4 instances",
			events: "drain ap, dead ap, drain ap, old ap, undrain ap", within: 9 * time.Minute},
		{name: "no way back", version: "dead", back: "broken", err: ErrStuck, says: "exit status 1",
			events: "drain ap, dead ap, drain ap, broken ap", drained: true, within: 9 * time.Minute},
		{name: "Consul hiccups", version: "new", back: "old", arrange: func(w *world) { w.deaf = 3 },
			events: "drain ap, new ap, undrain ap, drain eu, new eu, undrain eu, drain us, new us, undrain us", within: 3 * 33 * time.Minute},
		{name: "a drain that cannot be ended", version: "new", back: "old", arrange: func(w *world) { w.deaf = 100 }, err: ErrStuck, says: "ends by itself",
			events: "drain ap, new ap", drained: true, within: 4 * time.Minute},
		{name: "drained already", version: "new", back: "old", arrange: func(w *world) {
			w.drained[us], w.reason[us] = time.Now().Add(time.Hour), "an upgrade"
		}, err: ErrRefused, says: "us-east-1 is drained"},
		{name: "sick already", version: "new", back: "old", arrange: func(w *world) { w.sick[eu] = true }, err: ErrRefused, says: "3 of 4 instances of eu-west-1"},
		{name: "burning already", version: "new", back: "old", arrange: func(w *world) { w.version[us] = "burning" }, err: ErrRefused, says: "in trouble already"},
		{name: "blind at the start", version: "new", back: "old", arrange: func(w *world) { w.noMeter = func(time.Time) bool { return true } },
			err: ErrRefused, says: "no Prometheus"},
		{name: "another region falls ill meanwhile", version: "new", back: "old", arrange: func(w *world) {
			w.changing = func(regions.Name) { w.sick[us] = true }
		}, err: ErrRefused, says: "us-east-1", events: "drain ap, new ap, undrain ap", within: 32 * time.Minute},
		{name: "blind for a moment", version: "new", back: "old", arrange: func(w *world) {
			begin := w.began
			w.noMeter = func(now time.Time) bool { s := now.Sub(begin); return s > 5*time.Minute && s < 6*time.Minute }
		}, events: "drain ap, new ap, undrain ap, drain eu, new eu, undrain eu, drain us, new us, undrain us", within: 3 * 32 * time.Minute},
		{name: "blind", version: "new", back: "old", arrange: func(w *world) {
			begin := w.began
			w.noMeter = func(now time.Time) bool { return now.Sub(begin) > 5*time.Minute }
		}, err: ErrUnproven, says: "no Prometheus", events: "drain ap, new ap, undrain ap", within: 8 * time.Minute},
		{name: "nobody calls", version: "new", back: "old", arrange: func(w *world) { w.rate = 0.1 }, err: ErrUnproven, says: "too few requests",
			events: "drain ap, new ap, undrain ap", within: 33 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tc.arrange != nil {
					tc.arrange(w)
				}
				err := w.run(w.config(tc.version, tc.back), State{})
				if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("ended with %v, want %v that says %q", err, tc.err, tc.says)
				}
				got := strings.NewReplacer("-southeast-1", "", "-west-1", "", "-east-1", "").Replace(strings.Join(w.events, ", "))
				if got != tc.events {
					t.Errorf("did: %s\nwant: %s", got, tc.events)
				}
				if w.isDrained(ap) != tc.drained {
					t.Errorf("drained afterward: %v", w.isDrained(ap))
				}
				if took := time.Since(w.began); took > tc.within {
					t.Errorf("took %s, want %s at most", took, tc.within)
				}
			})
		})
	}
}

// TestInterrupted ends a rollout in the midst of each of its seconds and lets another one go on from what it kept.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"new", "burning"} {
		for after := 5 * time.Second; after < 40*time.Minute; after += 37 * time.Second {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.config(version, "old")
				file := filepath.Join(t.TempDir(), "kept.json")
				c.Save, c.Regions = SaveTo(file), []regions.Name{ap, eu}
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				r, err := New(c, State{})
				if err != nil {
					t.Fatal(err)
				}
				first := r.Run(ctx)
				kept, _, err := Load(file)
				if err != nil {
					t.Fatal(err)
				}
				err = w.run(c, kept)
				switch {
				case version == "new" && (err != nil || w.version[ap] != "new" || w.version[eu] != "new"):
					t.Errorf("interrupted after %s (%v): ended with %v at %v", after, first, err, w.version)
				case version == "burning" && w.version[ap] != "old":
					t.Errorf("interrupted after %s (%v): ended with %v at %v", after, first, err, w.version)
				case w.isDrained(ap) || w.isDrained(eu):
					t.Errorf("interrupted after %s: still drained", after)
				}
			})
		}
	}
}

// TestOthersDrainIsNotTaken: only the drain of an interrupted rollout may be gone on with.
func TestOthersDrainIsNotTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.drained[ap], w.reason[ap] = time.Now().Add(time.Hour), "an upgrade"
		if err := w.run(w.config("new", "old"), State{Current: ap}); !errors.Is(err, ErrRefused) || len(w.events) > 0 {
			t.Errorf("ended with %v after %v", err, w.events)
		}
	})
}

func TestRolledBackStaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.run(w.config("new", "old"), State{RolledBack: ap}); !errors.Is(err, ErrRefused) || len(w.events) > 0 {
		t.Errorf("ended with %v after %v", err, w.events)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(c *Config){
		"no region":      func(c *Config) { c.Regions = nil },
		"one region":     func(c *Config) { c.All = c.All[:1] },
		"no meter":       func(c *Config) { c.Meter = nil },
		"objective of 1": func(c *Config) { c.Objective = 1 },
		"no bake":        func(c *Config) { c.Bake = time.Second },
		"no limit":       func(c *Config) { c.Limit = 0 },
	} {
		c := newWorld(t).config("new", "old")
		spoil(&c)
		if _, err := New(c, State{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	got := Order([]regions.Name{us, eu, ap}, map[regions.Name]float64{us: 300, eu: 200})
	if diff := cmp.Diff([]regions.Name{ap, eu, us}, got); diff != "" {
		t.Error(diff)
	}
	if got := Order([]regions.Name{us, eu, ap}, nil); !slices.Equal(got, []regions.Name{us, eu, ap}) {
		t.Errorf("without traffic: %v", got)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r, err := New(newWorld(t).config("new", "old"), State{Done: []regions.Name{ap}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `1. ap-southeast-1, changed already
2. eu-west-1
3. us-east-1
each: drain, wait 30s, change within 10m0s, wait up to 5m0s for healthy instances, undrain, watch for 30m0s
roll back and stop when a region burns the budget of 0.1 %:
  14.4 times too fast over 5m0s, and over the last 1m0s
  6 times too fast over 30m0s, and over the last 5m0s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

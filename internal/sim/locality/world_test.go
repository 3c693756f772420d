package locality

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/regions"
)

const us, eu, ap = regions.Name("us-east-1"), regions.Name("eu-west-1"), regions.Name("ap-southeast-1")

func TestSettings(t *testing.T) {
	t.Parallel()
	at, stall := time.UnixMilli(1_764_000_000_500), 5*time.Second
	// A minute of waiting, then refusals; GLOBAL rows are read for the lead.
	lost := []string{strings.Repeat("lost@1764000000.500~1764000060.500 ", 3) + "lost@1764000001.150~1764000060.500",
		strings.TrimSpace(strings.Repeat("lost//1764000060.500 ", 4))}
	tests := []struct {
		name   string
		edit   func(w *world) error
		eu     []string // what sessions of gateway eu-west-1 read: visits, commits
		holder map[regions.Name]regions.Name
	}{
		{
			"healthy", func(*world) error { return nil },
			[]string{"70 0 175 0", "70/70/ 70/0/ 175/175/ 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"home lost", func(w *world) error { return w.lose(eu, at, stall, false) },
			[]string{"70 70@1764000000.500~1764000005.500 175 0", "220/70/ 220/70/1764000005.500 220/175/ 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: us, ap: ap},
		},
		{
			"far region lost", func(w *world) error { return w.lose(ap, at, stall, false) },
			[]string{"70 0 0@1764000000.500~1764000005.500 0", "70/70/ 70/0/ 70/0/1764000005.500 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: eu},
		},
		{
			"primary region lost", func(w *world) error { return w.lose(us, at, stall, false) },
			[]string{"0@1764000000.500~1764000005.500 0 175 0@1764000001.150~1764000005.500", "175/0/1764000005.500 175/0/ 175/175/ 650/0/1764000005.500"},
			map[regions.Name]regions.Name{us: eu, eu: eu, ap: ap},
		},
		{
			"two lost", func(w *world) error { return errors.Join(w.lose(eu, at, stall, false), w.lose(us, at, stall, false)) },
			lost,
			map[regions.Name]regions.Name{us: ap, eu: ap, ap: ap},
		},
		{
			"cut off", func(w *world) error { return w.lose(eu, at, stall, true) },
			lost,
			map[regions.Name]regions.Name{us: us, eu: us, ap: ap},
		},
		{
			"another cut off", func(w *world) error { return w.lose(ap, at, stall, true) },
			[]string{"70 0 0@1764000000.500~1764000005.500 0", "70/70/ 70/0/ 70/0/1764000005.500 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: eu},
		},
		{
			"another slow", func(w *world) error { return w.slow(us, 10) },
			[]string{"700 0 175 0", "700/700/ 175/0/ 175/175/ 650/700/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"cut off, slow and healed", func(w *world) error { return errors.Join(w.lose(eu, at, stall, true), w.slow(eu, 10), w.heal(eu)) },
			[]string{"70 0 175 0", "70/70/ 70/0/ 175/175/ 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"healed", func(w *world) error { return errors.Join(w.lose(eu, at, stall, false), w.heal(eu)) },
			[]string{"70 0 175 0", "70/70/ 70/0/ 175/175/ 650/70/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(regions.Default())
			if err := tt.edit(w); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, line := range w.settings(7) {
				if name, value, _ := strings.Cut(line, " = "); strings.HasSuffix(name, "eu_west_1") {
					got = append(got, strings.Trim(value, "'"))
				}
			}
			if diff := cmp.Diff(tt.eu, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			holders := map[regions.Name]regions.Name{}
			for _, s := range w.states {
				holders[s.Name] = s.Leaseholder
			}
			if diff := cmp.Diff(tt.holder, holders); diff != "" {
				t.Errorf("leaseholders (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFourRegions: two votes at home and one in each of the others, so that once home is lost all others have to answer,
// and two lost regions are too many only where home is one of them.
func TestFourRegions(t *testing.T) {
	t.Parallel()
	const sa = "sa-east-1"
	const fourth = "  - name: sa-east-1\n    code: sa1\n    place: {city: Sao Paulo, country: BR, lat: -23.55, lon: -46.63}\n" +
		"    zones: {aws: [sa-east-1a]}\n    residency: americas\n    continents: []\n    countries: []\n    loopback: 127.0.4.0/24\n"
	catalog, err := regions.Parse([]byte(strings.Replace(string(regions.DefaultYAML()), "# Round trips", fourth+"# Round trips", 1)))
	if err != nil {
		t.Fatal(err)
	}
	replication := func(w *world, home regions.Name) time.Duration {
		for _, s := range w.states {
			if s.Name == home {
				return w.replication(s)
			}
		}
		return 0
	}
	w := newWorld(catalog)
	if got := replication(w, eu); got != catalog.RTT(eu, us) {
		t.Errorf("all live: a commit takes %v", got)
	}
	at := time.UnixMilli(1)
	if err := w.lose(eu, at, time.Second, false); err != nil {
		t.Fatal(err)
	}
	if got, far := replication(w, eu), max(catalog.RTT(us, ap), catalog.RTT(us, sa)); got != far || !w.quorumLost(eu).IsZero() {
		t.Errorf("home lost: a commit takes %v, not the %v to the farthest", got, far)
	}
	if err := w.lose(ap, at.Add(time.Second), time.Second, false); err != nil {
		t.Fatal(err)
	}
	if got := w.quorumLost(eu); !got.Equal(at.Add(time.Second)) {
		t.Errorf("home and another lost: no quorum since %v", got)
	}
	if got := w.quorumLost(us); !got.IsZero() {
		t.Errorf("two others lost: no quorum since %v", got)
	}
}

func TestUnknownRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(regions.Default())
	if err := w.lose("mars-1", time.Now(), 0, false); !errors.Is(err, ErrUnknownRegion) {
		t.Errorf("lose = %v", err)
	}
	if err := w.heal("mars-1"); !errors.Is(err, ErrUnknownRegion) {
		t.Errorf("heal = %v", err)
	}
}

// Whatever is lost and healed in whatever order: a live region's leases are at home, a lost one's with a live
// region if there is one, and everything healed is everything as it was.
func TestLeasesFollowTheLiving(t *testing.T) {
	t.Parallel()
	catalog := regions.Default()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(catalog)
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			n := rapid.SampledFrom(catalog.Names()).Draw(t, "region")
			if rapid.Bool().Draw(t, "kill") {
				_ = w.lose(n, time.UnixMilli(1), time.Second, false)
			} else {
				_ = w.heal(n)
			}
			some := false
			for _, s := range w.states {
				some = some || s.Alive
			}
			for _, s := range w.states {
				switch {
				case s.Alive && s.Leaseholder != s.Name:
					t.Fatalf("%s lives, its leases are with %s", s.Name, s.Leaseholder)
				case some && !w.alive(s.Leaseholder):
					t.Fatalf("the leases of %s are with %s, which is lost", s.Name, s.Leaseholder)
				}
			}
		}
		for _, n := range catalog.Names() {
			_ = w.heal(n)
		}
		if diff := cmp.Diff(newWorld(catalog).states, w.states); diff != "" {
			t.Fatalf("after healing all (-want +got):\n%s", diff)
		}
	})
}

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
	stall := time.UnixMilli(1_764_000_000_500)
	tests := []struct {
		name   string
		edit   func(w *world) error
		eu     []string // what sessions of gateway eu-west-1 read: visits, commits
		holder map[regions.Name]regions.Name
	}{
		{
			"healthy", func(*world) error { return nil },
			[]string{"70 0 175", "70/70/ 70/0/ 175/175/ 220/0/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"home lost", func(w *world) error { return w.lose(eu, stall, false) },
			[]string{"70 70@1764000000.500 175", "220/70/ 220/70/1764000000.500 220/175/ 220/0/"},
			map[regions.Name]regions.Name{us: us, eu: us, ap: ap},
		},
		{
			"far region lost", func(w *world) error { return w.lose(ap, stall, false) },
			[]string{"70 0 0@1764000000.500", "70/70/ 70/0/ 70/0/1764000000.500 70/0/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: eu},
		},
		{
			"two lost", func(w *world) error { return errors.Join(w.lose(eu, stall, false), w.lose(us, stall, false)) },
			[]string{"lost lost lost", "lost lost lost lost"},
			map[regions.Name]regions.Name{us: ap, eu: ap, ap: ap},
		},
		{
			"cut off", func(w *world) error { return w.lose(eu, stall, true) },
			[]string{"lost lost lost", "lost lost lost lost"},
			map[regions.Name]regions.Name{us: us, eu: us, ap: ap},
		},
		{
			"another cut off", func(w *world) error { return w.lose(ap, stall, true) },
			[]string{"70 0 0@1764000000.500", "70/70/ 70/0/ 70/0/1764000000.500 70/0/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: eu},
		},
		{
			"another slow", func(w *world) error { return w.slow(us, 10) },
			[]string{"700 0 175", "700/700/ 175/0/ 175/175/ 2200/0/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"cut off, slow and healed", func(w *world) error { return errors.Join(w.lose(eu, stall, true), w.slow(eu, 10), w.heal(eu)) },
			[]string{"70 0 175", "70/70/ 70/0/ 175/175/ 220/0/"},
			map[regions.Name]regions.Name{us: us, eu: eu, ap: ap},
		},
		{
			"healed", func(w *world) error { return errors.Join(w.lose(eu, stall, false), w.heal(eu)) },
			[]string{"70 0 175", "70/70/ 70/0/ 175/175/ 220/0/"},
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

func TestUnknownRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(regions.Default())
	if err := w.lose("mars-1", time.Now(), false); !errors.Is(err, ErrUnknownRegion) {
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
				_ = w.lose(n, time.UnixMilli(1), false)
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

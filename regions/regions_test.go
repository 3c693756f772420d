package regions_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

func TestDefault(t *testing.T) {
	t.Parallel()
	c := regions.Default()
	if diff := cmp.Diff([]regions.Name{"us-east-1", "eu-west-1", "ap-southeast-1"}, c.Names()); diff != "" {
		t.Error(diff)
	}
	for _, r := range c.All() {
		if name, ok := c.ByCode(r.Code); !ok || name != r.Name || c.Code(r.Name) != r.Code {
			t.Errorf("%s: code %s leads to %s", r.Name, r.Code, name)
		}
		if got, ok := c.Lookup(r.Name); !ok || got.Place != r.Place {
			t.Errorf("%s is not found by its name", r.Name)
		}
	}
	if again, err := regions.Parse(regions.DefaultYAML()); err != nil || !slices.Equal(again.Names(), c.Names()) {
		t.Errorf("the shipped text does not parse to the same set: %v", err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "regions.yaml")
	if err := os.WriteFile(path, regions.DefaultYAML(), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := regions.Load(path); err != nil || len(c.Names()) != 3 {
		t.Errorf("load: %v", err)
	}
	if _, err := regions.Load(path + ".absent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestPrefers(t *testing.T) {
	t.Parallel()
	c := regions.Default()
	for country, want := range map[string]regions.Name{
		"US": "us-east-1", "BR": "us-east-1", "IE": "eu-west-1", "SG": "ap-southeast-1", "JP": "ap-southeast-1",
		"GT": "us-east-1",      // by continent, North America
		"UY": "us-east-1",      // South America
		"GH": "eu-west-1",      // Africa
		"KZ": "ap-southeast-1", // Asia
		"FJ": "ap-southeast-1", // Oceania
		"TR": "eu-west-1",      // a country wins over its continent
		"":   "", "XX": "", "us": "", "USA": "", "U": "", "  ": "", "F ": "",
	} {
		got, ok := c.Prefers(country)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", country, got, want)
		}
	}
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	c := regions.Default()
	for _, tc := range []struct {
		a, b regions.Name
		want time.Duration
	}{
		{"us-east-1", "eu-west-1", 70 * time.Millisecond},
		{"eu-west-1", "us-east-1", 70 * time.Millisecond},
		{"ap-southeast-1", "us-east-1", 220 * time.Millisecond},
		{"eu-west-1", "eu-west-1", 0},
		{"eu-west-1", "mars-1", 0},
	} {
		if got := c.RTT(tc.a, tc.b); got != tc.want {
			t.Errorf("%s to %s: got %s, want %s", tc.a, tc.b, got, tc.want)
		}
	}
	if got := c.QuorumRTT("ap-southeast-1"); got != 175*time.Millisecond {
		t.Errorf("quorum of ap-southeast-1: %s", got)
	}
	if diff := cmp.Diff([]regions.Name{"ap-southeast-1", "eu-west-1", "us-east-1"}, c.Nearest("ap-southeast-1")); diff != "" {
		t.Error(diff)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	dublin, singapore := regions.Place{Lat: 53.35, Lon: -6.26}, regions.Place{Lat: 1.35, Lon: 103.82}
	if km := regions.Distance(dublin, singapore); km < 11_100 || km > 11_300 {
		t.Errorf("Dublin to Singapore: %.0f km", km)
	}
	if km := regions.Distance(dublin, dublin); km != 0 {
		t.Errorf("to itself: %f km", km)
	}
	antipode := regions.Place{Lat: -53.35, Lon: 173.74}
	if km := regions.Distance(dublin, antipode); km < 20_000 || km > 20_050 {
		t.Errorf("to the antipode: %.0f km", km)
	}
	if got := regions.EstimateRTT(dublin, singapore); got < 150*time.Millisecond || got > 165*time.Millisecond {
		t.Errorf("estimate: %s", got)
	}
}

// fourth is an entry that may be appended to the default set's regions.
const fourth = `
  - name: sa-east-1
    code: sa1
    place: {city: São Paulo, country: BR, lat: -23.55, lon: -46.63}
    residency: americas
    loopback: 127.0.4.0/24
`

func withFourth(entry string) string {
	return strings.Replace(string(regions.DefaultYAML()), "# Round trips between", entry+"# Round trips between", 1)
}

func TestFourthRegionIsOneEntry(t *testing.T) {
	t.Parallel()
	c, err := regions.Parse([]byte(withFourth(fourth)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Names()); n != 4 {
		t.Fatalf("%d regions", n)
	}
	if got := c.RTT("sa-east-1", "us-east-1"); got < 100*time.Millisecond || got > 120*time.Millisecond {
		t.Errorf("an undeclared round trip is estimated as %s", got)
	}
}

func TestMayServe(t *testing.T) {
	t.Parallel()
	strict, err := regions.Parse([]byte(strings.Replace(withFourth(fourth), "\nrtt_ms:", "\nresidency_groups: [{name: americas, strict: true}, {name: eu}]\nrtt_ms:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		home, other regions.Name
		def, strict bool
	}{
		{"us-east-1", "us-east-1", true, true},
		{"us-east-1", "eu-west-1", true, false},
		{"us-east-1", "sa-east-1", false, true}, // the default set does not have it
		{"eu-west-1", "us-east-1", true, true},
		{"mars-1", "us-east-1", false, false},
		{"us-east-1", "mars-1", false, false},
	} {
		if got := regions.Default().MayServe(tc.home, tc.other); got != tc.def {
			t.Errorf("default: %s in %s: %v", tc.home, tc.other, got)
		}
		if got := strict.MayServe(tc.home, tc.other); got != tc.strict {
			t.Errorf("strict: %s in %s: %v", tc.home, tc.other, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := withFourth(fourth)
	for name, edit := range map[string][2]string{
		"a wrong version":            {"version: 1", "version: 2"},
		"an unknown key":             {"version: 1", "version: 1\nextra: 2"},
		"a bad name":                 {"name: sa-east-1", "name: SA East"},
		"a name twice":               {"name: sa-east-1", "name: us-east-1"},
		"a bad code":                 {"code: sa1", "code: s"},
		"a code twice":               {"code: sa1", "code: us1"},
		"a latitude too far":         {"lat: -23.55", "lat: -123.55"},
		"a latitude of no number":    {"lat: -23.55", "lat: .nan"},
		"a longitude too far":        {"lon: -46.63", "lon: 181"},
		"no residency":               {"residency: americas\n    loopback: 127.0.4.0/24", "loopback: 127.0.4.0/24"},
		"a loopback twice":           {"127.0.4.0/24", "127.0.3.0/24"},
		"a loopback out of range":    {"127.0.4.0/24", "127.0.16.0/24"},
		"a loopback of zero":         {"127.0.4.0/24", "127.0.0.0/24"},
		"a loopback of another net":  {"127.0.4.0/24", "127.1.4.0/24"},
		"a loopback of another size": {"127.0.4.0/24", "127.0.4.0/25"},
		"a loopback with host bits":  {"127.0.4.0/24", "127.0.4.9/24"},
		"an IPv6 loopback":           {"127.0.4.0/24", `"::1/24"`},
		"an address outside":         {"127.0.4.0/24", "10.0.4.0/24"},
		"an unknown group":           {"rtt_ms:", "residency_groups: [{name: mars, strict: true}]\nrtt_ms:"},
		"a group twice":              {"rtt_ms:", "residency_groups: [{name: eu}, {name: eu, strict: true}]\nrtt_ms:"},
		"an unknown continent":       {"continents: [EU, AF]", "continents: [EU, XX]"},
		"an unknown country":         {"countries: [US, CA", "countries: [QQ, CA"},
		"a country twice":            {"countries: [US, CA", "countries: [US, IE"},
		"a round trip to nowhere":    {"between: [us-east-1, eu-west-1]", "between: [us-east-1, mars-1]"},
		"a round trip to itself":     {"between: [us-east-1, eu-west-1]", "between: [us-east-1, us-east-1]"},
		"a round trip of zero":       {"ms: 70", "ms: 0"},
		"a round trip of no number":  {"ms: 70", "ms: .nan"},
		"an endless round trip":      {"ms: 70", "ms: .inf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, edit[0], edit[1], 1)
			if text == good {
				t.Fatalf("%q is not in the text", edit[0])
			}
			if _, err := regions.Parse([]byte(text)); !errors.Is(err, regions.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, text := range []string{"", "[]", "version: 1", "version: 1\nregions: []", "\x00"} {
		if _, err := regions.Parse([]byte(text)); !errors.Is(err, regions.ErrInvalid) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// FuzzParse proves that a text either is refused with ErrInvalid or keeps what its methods promise.
func FuzzParse(f *testing.F) {
	f.Add(regions.DefaultYAML())
	f.Add([]byte(withFourth(fourth)))
	f.Add([]byte(strings.Replace(withFourth(fourth), "127.0.4.0/24", `"::1/24"`, 1)))
	f.Add([]byte("version: 1\nregions: [{name: a, code: aa1, residency: x, loopback: 127.0.1.0/24}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := regions.Parse(text)
		if err != nil {
			if !errors.Is(err, regions.ErrInvalid) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		names := c.Names()
		if len(names) == 0 || len(names) > 15 {
			t.Fatalf("%d regions", len(names))
		}
		for _, a := range names {
			if near := c.Nearest(a); near[0] != a {
				t.Errorf("%s is not nearest to itself: %v", a, near)
			}
			for _, b := range names {
				if d := c.RTT(a, b); d != c.RTT(b, a) || (d > 0) != (a != b) || d > 10*time.Second {
					t.Errorf("round trip of %s and %s: %s and %s", a, b, d, c.RTT(b, a))
				}
			}
		}
	})
}

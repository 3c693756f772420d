package regions

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// ErrInvalid is wrapped by every error about the content of a regions file.
var ErrInvalid = errors.New("regions: invalid set")

var (
	validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	validCode = regexp.MustCompile(`^[a-z]{2,4}[0-9]{1,2}$`)
)

type document struct {
	Version   int              `yaml:"version"`
	Regions   []Region         `yaml:"regions"`
	Residency []residencyGroup `yaml:"residency_groups"`
	RTT       []pairRTT        `yaml:"rtt_ms"`
}

// residencyGroup says more of a group that regions name.
type residencyGroup struct {
	Name   string `yaml:"name"`
	Strict bool   `yaml:"strict"`
}

type pairRTT struct {
	Between [2]Name `yaml:"between"`
	Millis  float64 `yaml:"ms"`
}

// Load reads a set from a file.
func Load(path string) (*Set, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("regions: read the regions file: %w", err)
	}
	return Parse(text)
}

// Parse reads and validates the text of a regions file. Errors wrap ErrInvalid and name the entry at fault.
func Parse(text []byte) (*Set, error) {
	var doc document
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if doc.Version != 1 {
		return nil, fmt.Errorf("%w: version is %d, this binary reads version 1", ErrInvalid, doc.Version)
	}
	if len(doc.Regions) == 0 {
		return nil, fmt.Errorf("%w: it lists no region", ErrInvalid)
	}
	c := &Set{
		regions: doc.Regions, byName: map[Name]int{}, byCode: map[Code]Name{}, byCountry: map[string]Name{}, strict: map[string]bool{},
	}
	for i, r := range c.regions {
		if err := c.add(i, r); err != nil {
			return nil, fmt.Errorf("%w: region %q: %w", ErrInvalid, r.Name, err)
		}
	}
	if err := c.confine(doc.Residency); err != nil {
		return nil, fmt.Errorf("%w: residency_groups: %w", ErrInvalid, err)
	}
	if err := c.measure(doc.RTT); err != nil {
		return nil, fmt.Errorf("%w: rtt_ms: %w", ErrInvalid, err)
	}
	return c, nil
}

func (c *Set) add(i int, r Region) error {
	switch {
	case !validName.MatchString(string(r.Name)):
		return errors.New("a name is lower-case letters, digits and hyphens")
	case !validCode.MatchString(string(r.Code)):
		return fmt.Errorf("code %q is not two to four letters and a number, as in eu1", r.Code)
	case !(math.Abs(r.Place.Lat) <= 90 && math.Abs(r.Place.Lon) <= 180): // NaN too
		return errors.New("lat is -90 to 90 and lon -180 to 180")
	case r.Residency == "":
		return errors.New("residency names no group")
	case !r.Loopback.Addr().Is4() || r.Loopback.Bits() != 24 || r.Loopback.Masked() != r.Loopback ||
		!r.Loopback.Addr().IsLoopback() || r.Loopback.Addr().As4()[1] != 0:
		return errors.New("loopback is a /24 inside 127.0.0.0/16")
	}
	if third := r.Loopback.Addr().As4()[2]; third == 0 || third > 15 {
		return errors.New("loopback's third byte is 1 to 15")
	}
	for _, continent := range r.Continents {
		if countriesByContinent[continent] == "" {
			return fmt.Errorf("continent %q is not one of AF, AN, AS, EU, NA, OC, SA", continent)
		}
	}
	if _, taken := c.byName[r.Name]; taken {
		return errors.New("the name is listed twice")
	}
	if other, taken := c.byCode[r.Code]; taken {
		return fmt.Errorf("code %s belongs to %s", r.Code, other)
	}
	for _, other := range c.regions[:i] {
		if other.Loopback == r.Loopback {
			return fmt.Errorf("loopback %s belongs to %s", r.Loopback, other.Name)
		}
	}
	c.byName[r.Name] = i
	c.byCode[r.Code] = r.Name
	for _, country := range r.Countries {
		if continentOf(country) == "" {
			return fmt.Errorf("country %q is not an ISO 3166-1 alpha-2 code", country)
		}
		if other, taken := c.byCountry[country]; taken {
			return fmt.Errorf("country %s is listed by %s too", country, other)
		}
		c.byCountry[country] = r.Name
	}
	return nil
}

// confine takes in which residency groups are strict.
func (c *Set) confine(groups []residencyGroup) error {
	for _, g := range groups {
		if _, twice := c.strict[g.Name]; twice {
			return fmt.Errorf("group %q is listed twice", g.Name)
		}
		if !slices.ContainsFunc(c.regions, func(r Region) bool { return r.Residency == g.Name }) {
			return fmt.Errorf("no region is of group %q", g.Name)
		}
		c.strict[g.Name] = g.Strict
	}
	return nil
}

func (c *Set) measure(declared []pairRTT) error {
	c.rtt = make([][]time.Duration, len(c.regions))
	for i := range c.regions {
		c.rtt[i] = make([]time.Duration, len(c.regions))
		for j := range c.regions {
			if i != j {
				c.rtt[i][j] = EstimateRTT(c.regions[i].Place, c.regions[j].Place)
			}
		}
	}
	for _, p := range declared {
		i, okA := c.byName[p.Between[0]]
		j, okB := c.byName[p.Between[1]]
		switch {
		case !okA || !okB:
			return fmt.Errorf("%v names an unknown region", p.Between)
		case i == j:
			return fmt.Errorf("%v is one region", p.Between)
		case !(p.Millis >= 0.001 && p.Millis <= 10_000): // NaN too
			return fmt.Errorf("%v: %v is not a round trip in milliseconds", p.Between, p.Millis)
		}
		d := time.Duration(p.Millis * float64(time.Millisecond))
		c.rtt[i][j] = d
		c.rtt[j][i] = d
	}
	return nil
}

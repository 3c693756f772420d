package geo_test

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us = regions.Name("us-east-1")
	eu = regions.Name("eu-west-1")
	ap = regions.Name("ap-southeast-1")
)

// countries is a GeoIP database of two addresses.
type countries struct{}

func (countries) Country(a netip.Addr) (string, bool) {
	switch a.String() {
	case "203.0.113.5":
		return "JP", true
	case "8.8.8.8":
		return "BR", true
	case "198.51.100.99":
		return "JJ", true // assigned to nobody
	}
	return "", false
}

func locator(t testing.TB, db geo.Countries) *geo.Locator {
	t.Helper()
	l, err := geo.NewLocator(regions.Default(), eu, trusted(t), db)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWhatIsNoCountry: codes that proxies send for want of a country.
func TestWhatIsNoCountry(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"EU": "", "AP": "", "ZZ": "", "AA": "", "XX": "", "XA": "", "XZ": "", "QM": "", "QZ": "", "T1": "", "A1": "", "1": "", "GBR": "",
		"UK": "GB", "uk": "GB", "GB": "GB", "XK": "XK", "QA": "QA",
	} {
		got := locator(t, nil).Locate(geo.Caller{Peer: netip.MustParseAddr(proxy), Header: http.Header{"Cf-Ipcountry": {code}}})
		if got.Country != want {
			t.Errorf("%q is the country %q, want %q", code, got.Country, want)
		}
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	type headers = http.Header
	for name, tc := range map[string]struct {
		caller geo.Caller
		peer   string
		want   geo.Location
	}{
		"claim over all": {geo.Caller{Home: us, ID: ap, Pin: eu, Header: headers{"Cf-Ipcountry": {"IE"}}}, proxy,
			geo.Location{Region: us, Source: geo.SourceClaim, Country: "IE", CountryFrom: "CF-IPCountry"}},
		"id over pin": {geo.Caller{ID: ap, Pin: us}, stranger,
			geo.Location{Region: ap, Source: geo.SourceID, Country: "JP", CountryFrom: "GeoIP"}},
		"pin over header": {geo.Caller{Pin: us, Header: headers{"Cf-Ipcountry": {"IE"}}}, proxy,
			geo.Location{Region: us, Source: geo.SourcePin, Country: "IE", CountryFrom: "CF-IPCountry"}},
		"unknown regions do not count": {geo.Caller{Home: "mars-1", ID: "x", Pin: "y"}, stranger,
			geo.Location{Region: ap, Source: geo.SourceGeoIP, Country: "JP", CountryFrom: "GeoIP"}},
		"Cloudflare": {geo.Caller{Header: headers{"Cf-Ipcountry": {"br"}}}, proxy,
			geo.Location{Region: us, Source: geo.SourceHeader, Country: "BR", CountryFrom: "CF-IPCountry"}},
		"Cloudflare's unknown: CloudFront": {geo.Caller{Header: headers{"Cf-Ipcountry": {"XX"}, "Cloudfront-Viewer-Country": {"AU"}}}, proxy,
			geo.Location{Region: ap, Source: geo.SourceHeader, Country: "AU", CountryFrom: "CloudFront-Viewer-Country"}},
		"Tor: GeoIP": {geo.Caller{Header: headers{"Cf-Ipcountry": {"T1"}, "X-Forwarded-For": {"8.8.8.8"}}}, proxy,
			geo.Location{Region: us, Source: geo.SourceGeoIP, Country: "BR", CountryFrom: "GeoIP"}},
		"two values are none": {geo.Caller{Header: headers{"Cf-Ipcountry": {"BR", "JP"}}}, proxy,
			geo.Location{Region: eu, Source: geo.SourceEdge}},
		"Fly's address": {geo.Caller{Header: headers{"Fly-Client-Ip": {"8.8.8.8"}, "X-Forwarded-For": {"203.0.113.5"}}}, proxy,
			geo.Location{Region: us, Source: geo.SourceHeader, Country: "BR", CountryFrom: "Fly-Client-IP"}},
		"forged headers": {geo.Caller{Header: headers{"Cf-Ipcountry": {"BR"}, "Fly-Client-Ip": {"8.8.8.8"}, "Cloudfront-Viewer-Country": {"BR"}}}, stranger,
			geo.Location{Region: ap, Source: geo.SourceGeoIP, Country: "JP", CountryFrom: "GeoIP"}},
		"a country that no region lists": {geo.Caller{}, "198.51.100.99",
			geo.Location{Region: eu, Source: geo.SourceEdge, Country: "JJ", CountryFrom: "GeoIP"}},
		"nothing known": {geo.Caller{}, "192.0.2.1", geo.Location{Region: eu, Source: geo.SourceEdge}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.caller.Peer = netip.MustParseAddr(tc.peer)
			got := locator(t, countries{}).Locate(tc.caller)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(geo.Location{}, "Client")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLocateWithoutDatabase(t *testing.T) {
	t.Parallel()
	got := locator(t, nil).Locate(geo.Caller{Peer: netip.MustParseAddr(stranger)})
	if got.Region != eu || got.Source != geo.SourceEdge || got.Client.String() != stranger {
		t.Errorf("got %+v", got)
	}
	if got := locator(t, countries{}).Locate(geo.Caller{}); got.Region != eu || got.Client.IsValid() {
		t.Errorf("an unknown peer: got %+v", got)
	}
}

func TestNewLocatorRefusesUnknownEdge(t *testing.T) {
	t.Parallel()
	if _, err := geo.NewLocator(regions.Default(), "mars-1", geo.Proxies{}, nil); err == nil {
		t.Error("no error")
	}
}

func TestProximity(t *testing.T) {
	t.Parallel()
	declared := geo.NewProximity(regions.Default(), nil)
	if diff := cmp.Diff([]regions.Name{eu, us, ap}, declared.From(eu)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]regions.Name{ap, eu, us}, declared.From(ap)); diff != "" {
		t.Error(diff)
	}
	if got := declared.RTT(us, eu); got != 70*time.Millisecond {
		t.Errorf("declared round trip: %s", got)
	}
	measured := geo.NewProximity(regions.Default(), func(a, b regions.Name) (time.Duration, bool) {
		if a == eu && b == ap {
			return 20 * time.Millisecond, true
		}
		return 0, a == eu // a zero is no measurement
	})
	if diff := cmp.Diff([]regions.Name{eu, ap, us}, measured.From(eu)); diff != "" {
		t.Error(diff)
	}
	if measured.From("mars-1") != nil || measured.RTT("mars-1", eu) != 0 {
		t.Error("an unknown region has a ranking")
	}
}

func TestProximityProperties(t *testing.T) {
	t.Parallel()
	set := regions.Default()
	rapid.Check(t, func(t *rapid.T) {
		figures := map[[2]regions.Name]time.Duration{}
		for _, a := range set.Names() {
			for _, b := range set.Names() {
				figures[[2]regions.Name{a, b}] = time.Duration(rapid.Int64Range(-1, 400).Draw(t, "ms")) * time.Millisecond
			}
		}
		p := geo.NewProximity(set, func(a, b regions.Name) (time.Duration, bool) { return figures[[2]regions.Name{a, b}], true })
		for _, from := range set.Names() {
			order := p.From(from)
			if order[0] != from {
				t.Fatalf("%s is not nearest to itself: %v", from, order)
			}
			if !slices.IsSortedFunc(order, func(a, b regions.Name) int { return int(p.RTT(from, a) - p.RTT(from, b)) }) {
				t.Fatalf("from %s: %v is not by round trip", from, order)
			}
			sorted := slices.Sorted(slices.Values(order))
			if diff := cmp.Diff(slices.Sorted(slices.Values(set.Names())), sorted); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func FuzzLocate(f *testing.F) {
	f.Add("203.0.113.5", "IE", "8.8.8.8", "us-east-1")
	f.Add("10.0.0.1", "T1", "_x", "")
	f.Fuzz(func(t *testing.T, peer, country, address, region string) {
		addr, _ := netip.ParseAddr(peer)
		h := http.Header{"Cf-Ipcountry": {country}, "Cloudfront-Viewer-Country": {country}, "Fly-Client-Ip": {address}, "X-Forwarded-For": {address}}
		got := locator(t, countries{}).Locate(geo.Caller{Peer: addr, Header: h, Home: regions.Name(region)})
		if _, known := regions.Default().Lookup(got.Region); !known {
			t.Errorf("located in %q, which is no region", got.Region)
		}
		if got.Country != "" && len(got.Country) != 2 {
			t.Errorf("country %q", got.Country)
		}
		if !trusted(t).Contains(addr) && got.Source == geo.SourceHeader {
			t.Error("an untrusted peer's header was believed")
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	l := locator(b, countries{})
	c := geo.Caller{Peer: netip.MustParseAddr(proxy), Header: http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.5, 10.1.1.1"}}}
	b.ReportAllocs()
	for b.Loop() {
		l.Locate(c)
	}
}

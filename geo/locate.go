package geo

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

const flyClientIP = "Fly-Client-Ip"

// countryHeaders name the caller's country, strongest first, when a trusted proxy sends them.
var countryHeaders = [...]struct{ key, name string }{
	{"Cf-Ipcountry", "CF-IPCountry"},
	{"Cloudfront-Viewer-Country", "CloudFront-Viewer-Country"},
}

// Locator locates callers for one edge. It never changes.
type Locator struct {
	regions   *regions.Set
	edge      regions.Name
	trusted   Proxies
	countries Countries
}

// Caller is what is known of a request before it is located. Regions that the set does not have count
// as not given.
type Caller struct {
	Peer   netip.Addr   // the TCP peer
	Header http.Header  // as received
	Home   regions.Name // the home region of a verified access token, or ""
	ID     regions.Name // the region inside an id that the request names, or ""
	Pin    regions.Name // the region that the caller asked for, or ""
}

// NewLocator returns a locator for the edge of a region. countries may be nil: there is no database.
func NewLocator(c *regions.Set, edge regions.Name, trusted Proxies, countries Countries) (*Locator, error) {
	if _, ok := c.Lookup(edge); !ok {
		return nil, fmt.Errorf("geo: the edge's region %q is not in the set of regions", edge)
	}
	return &Locator{regions: c, edge: edge, trusted: trusted, countries: countries}, nil
}

// Trusts reports whether an address is one of a trusted proxy.
func (l *Locator) Trusts(address netip.Addr) bool { return l.trusted.Contains(address) }

// Locate decides where a caller is: verified home claim, region of an id, pin, geography header of a trusted
// proxy, country of the client address, nearest edge, in this order. The country is found whatever the
// region rests on.
func (l *Locator) Locate(c Caller) Location {
	loc := Location{Client: ClientAddress(c.Peer, c.Header, l.trusted), Region: l.edge, Source: SourceEdge}
	source := l.country(c, &loc)
	if region, ok := l.regions.Prefers(loc.Country); ok {
		loc.Region = region
		loc.Source = source
	}
	for _, row := range [...]struct {
		region regions.Name
		source Source
	}{{c.Home, SourceClaim}, {c.ID, SourceID}, {c.Pin, SourcePin}} {
		if _, ok := l.regions.Lookup(row.region); ok {
			loc.Region = row.region
			loc.Source = row.source
			break
		}
	}
	return loc
}

// country fills in the country and says which row it comes from.
func (l *Locator) country(c Caller, loc *Location) Source {
	if l.trusted.Contains(c.Peer) {
		for _, h := range countryHeaders {
			if values := c.Header[h.key]; len(values) == 1 {
				if country, ok := knownCountry(values[0]); ok {
					loc.Country = country
					loc.CountryFrom = h.name
					return SourceHeader
				}
			}
		}
		if addr, ok := parseNode(c.Header.Get(flyClientIP)); ok {
			if country, ok := l.lookup(addr); ok {
				loc.Country = country
				loc.CountryFrom = "Fly-Client-IP"
				return SourceHeader
			}
		}
	}
	if country, ok := l.lookup(loc.Client); ok {
		loc.Country = country
		loc.CountryFrom = "GeoIP"
		return SourceGeoIP
	}
	return SourceEdge
}

func (l *Locator) lookup(addr netip.Addr) (string, bool) {
	if l.countries == nil || !addr.IsValid() {
		return "", false
	}
	country, ok := l.countries.Country(addr)
	if !ok {
		return "", false
	}
	return knownCountry(country)
}

// knownCountry normalizes a country code. Those that ISO 3166 leaves to its users are no country (XX and ZZ mean unknown),
// but for XK, which all use for Kosovo; nor are EU and AP, by which databases mean a continent, and T1, the Tor network.
func knownCountry(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) != 2 {
		return "", false
	}
	s = strings.ToUpper(s)
	switch {
	case s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z':
		return "", false
	case s == "UK": // reserved for those who say it in the place of GB
		return "GB", true
	case s == "XK":
		return s, true
	case s == "EU", s == "AP", s == "AA", s == "ZZ", s[0] == 'X', s[0] == 'Q' && s[1] >= 'M':
		return "", false
	}
	return s, true
}

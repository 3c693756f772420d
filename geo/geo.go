// Package geo answers two questions about a request: where is the caller, and which regions are nearest.
// It is pure (headers and addresses in, regions out; no I/O, no clock), safe for concurrent use, and does
// work bounded by the size of its input whatever a caller sends.
//
// Nothing that a caller can write is believed. Forwarding and geography headers count only when the TCP peer
// is a configured proxy, and the chain of addresses is read from the right, where proxies append, only as
// far as the proxies reach.
package geo

import (
	"net/netip"

	"github.com/meridian-commerce/meridian/regions"
)

// Countries finds the country of an address. Implementations are safe for concurrent use and do not block.
type Countries interface {
	// Country returns an ISO 3166-1 alpha-2 code in upper case, and false when the address is in no country
	// that the database knows.
	Country(addr netip.Addr) (string, bool)
}

// Source is the row of the location precedence that located a caller.
type Source string

// The rows, strongest first.
const (
	SourceClaim  Source = "home_claim"   // the home region in a verified access token
	SourceID     Source = "id"           // the region inside an id that the request names
	SourcePin    Source = "pin"          // a region that the caller asked for
	SourceHeader Source = "geo_header"   // a geography header from a trusted proxy
	SourceGeoIP  Source = "geoip"        // the country of the client address
	SourceEdge   Source = "nearest_edge" // nothing else is known: the region of the edge that was reached
)

// Location is where a caller is thought to be, and why.
type Location struct {
	Client      netip.Addr   // the caller's address; invalid when the peer's is unknown
	Country     string       // ISO 3166-1 alpha-2, or "" when unknown
	CountryFrom string       // the header that named the country, "GeoIP", or ""
	Region      regions.Name // the region that the caller is assigned to
	Source      Source       // what Region rests on
}

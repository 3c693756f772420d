package geo_test

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/regions"
)

// A proxy of ours appends the caller's address. What the caller wrote before it is not believed.
func ExampleClientAddress() {
	trusted, err := geo.ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{"X-Forwarded-For": {"198.51.100.7, 203.0.113.9"}}

	fmt.Println(geo.ClientAddress(netip.MustParseAddr("10.1.2.3"), header, trusted))
	fmt.Println(geo.ClientAddress(netip.MustParseAddr("192.0.2.1"), header, trusted)) // no proxy of ours
	// Output:
	// 203.0.113.9
	// 192.0.2.1
}

// onlyJapan is a database that knows one network.
type onlyJapan struct{}

func (onlyJapan) Country(addr netip.Addr) (string, bool) {
	return "JP", netip.MustParsePrefix("203.0.113.0/24").Contains(addr)
}

// An edge in Singapore locates callers: by where they are, unless their token says where they are at home.
func ExampleLocator_Locate() {
	locator, err := geo.NewLocator(regions.Default(), "ap-southeast-1", geo.Proxies{}, onlyJapan{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokyo := netip.MustParseAddr("203.0.113.9")

	passerBy := locator.Locate(geo.Caller{Peer: tokyo})
	fmt.Println(passerBy.Region, passerBy.Source, passerBy.Country)

	customer := locator.Locate(geo.Caller{Peer: tokyo, Home: "eu-west-1"})
	fmt.Println(customer.Region, customer.Source, customer.Country)
	// Output:
	// ap-southeast-1 geoip JP
	// eu-west-1 home_claim JP
}

// Where a request goes when its region is lost: to the next nearest.
func ExampleProximity_From() {
	proximity := geo.NewProximity(regions.Default(), nil)

	for _, region := range proximity.From("eu-west-1") {
		fmt.Println(region, proximity.RTT("eu-west-1", region))
	}
	// Output:
	// eu-west-1 0s
	// us-east-1 70ms
	// ap-southeast-1 175ms
}

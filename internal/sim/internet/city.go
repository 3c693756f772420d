package internet

import (
	"math"
	"net/netip"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// City is where callers sit.
type City struct {
	Place    regions.Place
	UTC      time.Duration // standard time ahead of UTC
	People   float64       // millions in the urban area: the weight of its arrivals
	Block    netip.Prefix  // an IPv4 block that is assigned to networks of the city's country
	Currency string        // ISO 4217: what its callers pay in
}

// Cities returns the cities of the model: fifteen on five continents.
func Cities() []City {
	return []City{
		city("New York", "US", 40.71, -74.01, -5, 19.5, "72.80.0.0/16", "USD"),
		city("San Francisco", "US", 37.77, -122.42, -8, 7.5, "73.92.0.0/16", "USD"),
		city("Toronto", "CA", 43.65, -79.38, -5, 6.7, "70.52.0.0/16", "USD"),
		city("Sao Paulo", "BR", -23.55, -46.63, -3, 22.0, "189.46.0.0/16", "USD"),
		city("Dublin", "IE", 53.35, -6.26, 0, 1.5, "86.44.0.0/16", "EUR"),
		city("London", "GB", 51.51, -0.13, 0, 14.0, "86.140.0.0/16", "EUR"),
		city("Paris", "FR", 48.86, 2.35, 1, 12.3, "90.60.0.0/16", "EUR"),
		city("Frankfurt", "DE", 50.11, 8.68, 1, 5.8, "87.150.0.0/16", "EUR"),
		city("Madrid", "ES", 40.42, -3.70, 1, 6.8, "83.40.0.0/16", "EUR"),
		city("Lagos", "NG", 6.52, 3.38, 1, 15.9, "105.112.0.0/16", "EUR"),
		city("Johannesburg", "ZA", -26.20, 28.05, 2, 6.2, "105.224.0.0/16", "EUR"),
		city("Mumbai", "IN", 19.08, 72.88, 5.5, 21.3, "49.36.0.0/16", "USD"),
		city("Singapore", "SG", 1.35, 103.82, 8, 6.0, "116.14.0.0/16", "USD"),
		city("Tokyo", "JP", 35.68, 139.69, 9, 37.0, "153.150.0.0/16", "USD"),
		city("Sydney", "AU", -33.87, 151.21, 10, 5.3, "1.120.0.0/16", "USD"),
	}
}

func city(name, country string, lat, lon, utc, people float64, block, currency string) City {
	return City{
		Place: regions.Place{City: name, Country: country, Lat: lat, Lon: lon},
		UTC:   time.Duration(utc * float64(time.Hour)), People: people,
		Block: netip.MustParsePrefix(block), Currency: currency,
	}
}

// Weight returns the city's share of arrivals at a time, relative to other cities: its people, by an
// evening-heavy day that swings between half (08:00) and one and a half (20:00 local time).
func (c City) Weight(at time.Time) float64 {
	local := at.UTC().Add(c.UTC)
	hour := float64(local.Hour()) + float64(local.Minute())/60
	return c.People * (1 + 0.5*math.Cos(2*math.Pi*(hour-20)/24))
}

// Address returns the n-th caller's address inside the city's block.
func (c City) Address(n int) netip.Addr {
	b := c.Block.Addr().As4()
	host := uint32(n)*2654435761>>16 | 1 // Fibonacci hashing spreads neighbors over the block
	b[2] = byte(host >> 8)
	b[3] = byte(host)
	return netip.AddrFrom4(b)
}

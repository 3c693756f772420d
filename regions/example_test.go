package regions_test

import (
	"fmt"

	"github.com/meridian-commerce/meridian/regions"
)

// What a write costs at home, and which region serves when that one is lost.
func Example() {
	set := regions.Default()

	for _, home := range set.Names() {
		fmt.Println(home, "commits in", set.QuorumRTT(home), "and falls back to", set.Nearest(home)[1])
	}
	// Output:
	// us-east-1 commits in 70ms and falls back to eu-west-1
	// eu-west-1 commits in 70ms and falls back to us-east-1
	// ap-southeast-1 commits in 175ms and falls back to eu-west-1
}

// A region of one's own is an entry. Round trips that are not given are estimated from the great circle.
func ExampleParse() {
	set, err := regions.Parse([]byte(`
version: 1
regions:
  - name: eu-central-1
    code: de1
    place: {city: Frankfurt, country: DE, lat: 50.11, lon: 8.68}
    zones: {aws: [eu-central-1a, eu-central-1b, eu-central-1c]}
    residency: eu
    continents: [EU, AF, AN]
    countries: [DE, AT, CH]
    loopback: 127.0.1.0/24
  - name: us-east-1
    code: us1
    place: {city: Ashburn, country: US, lat: 39.04, lon: -77.49}
    zones: {aws: [us-east-1a, us-east-1b, us-east-1c]}
    residency: americas
    continents: [NA, SA, AS, OC]
    countries: [US, CA]
    loopback: 127.0.2.0/24
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	nearest, _ := set.Prefers("PL") // no region lists Poland, so the continent decides
	fmt.Println(nearest, set.RTT("eu-central-1", "us-east-1").Milliseconds(), "ms")
	// Output:
	// eu-central-1 92 ms
}

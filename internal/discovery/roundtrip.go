package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/serf/coordinate"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

// measureEvery is how often the local Consul is asked how far apart the regions are.
const measureEvery = 10 * time.Second

// Pair is two regions, in the order of their names.
type Pair struct{ A, B regions.Name }

// PairOf returns the pair of two regions.
func PairOf(a, b regions.Name) Pair {
	if b < a {
		a, b = b, a
	}
	return Pair{a, b}
}

// roundTrips estimates the round trips between datacenters from the network coordinates of their servers.
func (c *consulControls) roundTrips(ctx context.Context) (map[Pair]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var centers []*api.CoordinateDatacenterMap
	q := (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
	if _, err := c.client.Raw().Query("/v1/coordinate/datacenters", &centers, q); err != nil {
		return nil, fmt.Errorf("discovery: read network coordinates: %w", err)
	}
	return distances(centers), nil
}

// distances returns the median round trip between the servers of each two datacenters.
func distances(centers []*api.CoordinateDatacenterMap) map[Pair]time.Duration {
	out := map[Pair]time.Duration{}
	for i, a := range centers {
		for _, b := range centers[i+1:] {
			if a.Datacenter == b.Datacenter || a.AreaID != b.AreaID {
				continue
			}
			var all []time.Duration
			for _, from := range a.Coordinates {
				for _, to := range b.Coordinates {
					if compatible(from.Coord, to.Coord) {
						all = append(all, from.Coord.DistanceTo(to.Coord))
					}
				}
			}
			if len(all) > 0 {
				slices.Sort(all)
				out[PairOf(regions.Name(a.Datacenter), regions.Name(b.Datacenter))] = all[len(all)/2]
			}
		}
	}
	return out
}

func compatible(a, b *coordinate.Coordinate) bool {
	return a != nil && b != nil && a.IsValid() && b.IsValid() && a.IsCompatibleWith(b)
}

// watchRoundTrips tells the measured round trips until ctx is done.
func (v *View) watchRoundTrips(ctx context.Context) {
	if v.measured == nil {
		return
	}
	for clock.Sleep(ctx, measureEvery/2+rand.N(measureEvery)) == nil {
		found, err := v.local.roundTrips(ctx)
		if err != nil {
			v.log.Debug("round trips are not measured", slog.Any("error", err))
			continue
		}
		v.measured(found)
	}
}

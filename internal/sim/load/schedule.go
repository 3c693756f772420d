package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/internet"
)

// Journey is what one arrival does.
type Journey int

// The journeys.
const (
	Browse    Journey = iota // a page of products
	ViewItem                 // one product
	Search                   // products by words
	ViewCart                 // the cart
	EditCart                 // one item in the cart
	Checkout                 // one or two items into the cart, then the order
	ViewOrder                // an order of before
	WatchItem                // an order's life, as a stream
)

// journeys lists the mix: on average an arrival makes 1.3 requests.
var journeys = [...]struct {
	name   string
	weight float64
	play   func(*trip, context.Context)
}{
	Browse:    {"browse", 30, (*trip).browse},
	ViewItem:  {"product", 26, (*trip).viewItem},
	Search:    {"search", 10, (*trip).search},
	ViewCart:  {"view cart", 5, (*trip).viewCart},
	EditCart:  {"edit cart", 3, func(t *trip, ctx context.Context) { t.setItem(ctx) }},
	Checkout:  {"checkout", 20, (*trip).checkout},
	ViewOrder: {"order status", 5, (*trip).viewOrder},
	WatchItem: {"watch", 1, (*trip).watch},
}

// String names the journey.
func (j Journey) String() string { return journeys[j].name }

// Weight is the journey's part of the mix, in proportion to the others'.
func (j Journey) Weight() float64 { return journeys[j].weight }

// Arrival is one caller who turns up, whether or not the one before was served.
type Arrival struct {
	After   time.Duration // since the load began
	City    int           // index into the cities
	Journey Journey
	Seed    uint64 // of everything that the journey draws
}

// Schedule draws the arrivals of a Poisson process of so many arrivals per second over a duration. Cities
// are drawn by their weight at the time of day at which the load is said to begin. The same arguments give
// the same schedule.
func Schedule(seed uint64, cities []internet.City, hour int, rate float64, length time.Duration) ([]Arrival, error) {
	if rate <= 0 || length <= 0 || len(cities) == 0 || hour < 0 || hour > 23 {
		return nil, fmt.Errorf("load: no schedule of %v arrivals/s from %d cities over %v from %d:00 UTC", rate, len(cities), length, hour)
	}
	rng := rand.New(rand.NewPCG(seed, 0x6172726976616c73))
	begin := time.Date(2026, time.March, 4, hour, 0, 0, 0, time.UTC) // any Wednesday
	byCity := make([]float64, len(cities))
	for i, c := range cities {
		byCity[i] = c.Weight(begin)
	}
	byJourney := make([]float64, len(journeys))
	for i, j := range journeys {
		byJourney[i] = j.weight
	}
	var out []Arrival
	for at := range Poisson(rng, rate, length) {
		out = append(out, Arrival{After: at, City: draw(rng, byCity), Journey: Journey(draw(rng, byJourney)), Seed: rng.Uint64()})
	}
	return out, nil
}

// HourOf draws the hour of the day, UTC, at which a seed's load is said to begin.
func HourOf(seed uint64) int { return rand.New(rand.NewPCG(seed, 0x686f7572)).IntN(24) }

// draw returns an index with a probability in proportion to its weight.
func draw(rng *rand.Rand, weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	x := rng.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

package history

import (
	"math"
	"slices"
	"time"
)

// Latencies are how long some requests took.
type Latencies []time.Duration

// At sorts them and returns a percentile of them, by the nearest rank, in milliseconds; nil without any.
func (l Latencies) At(percentile float64) *float64 {
	if len(l) == 0 {
		return nil
	}
	slices.Sort(l)
	rank := math.Ceil(percentile / 100 * float64(len(l)))
	return new(Millis(l[max(1, int(rank))-1]))
}

// MillisTo is how long a moment comes after another one, in milliseconds; nil if it is zero, as it never came.
func MillisTo(moment, from time.Time) *float64 {
	if moment.IsZero() {
		return nil
	}
	return new(Millis(moment.Sub(from)))
}

// Millis is a duration in milliseconds, to the hundredth.
func Millis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond/100)) / 100
}

package load

// Share is a journey's part of the mix.
type Share struct {
	Journey Journey
	Weight  float64 // in proportion to the others'
}

// Mix returns what arrivals do, and how often.
func Mix() []Share {
	var out []Share
	for j, of := range journeys {
		out = append(out, Share{Journey(j), of.weight})
	}
	return out
}

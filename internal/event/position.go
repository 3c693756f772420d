package event

import (
	"context"
	"maps"
)

// Position is how far a bus has come, by topic.
type Position map[string]Log

// Log is how far a topic has come. One that is made anew has another ID, whatever its name.
type Log struct {
	ID   string          `json:"id"`
	Ends map[int32]int64 `json:"ends"` // by partition
}

// Positioner tells how far a bus has come. It is safe for concurrent use.
type Positioner interface {
	// Position returns the topics that are there, with the partitions that answer.
	Position(ctx context.Context) (Position, error)
}

// Advance returns what is known of a bus once it was seen at now, and whether it lost what it had at p: a topic is
// another one, or ends before. What is not there proves nothing, because it may only not answer yet.
func (p Position) Advance(now Position) (next Position, lost bool) {
	next = maps.Clone(p)
	if next == nil {
		next = Position{}
	}
	for topic, seen := range now {
		known, ok := p[topic]
		lost = lost || ok && known.ID != seen.ID
		if !ok || known.ID != seen.ID {
			next[topic] = seen
			continue
		}
		ends := maps.Clone(known.Ends)
		for partition, end := range seen.Ends {
			lost = lost || end < ends[partition]
			ends[partition] = end
		}
		next[topic] = Log{known.ID, ends}
	}
	return next, lost
}

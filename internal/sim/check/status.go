package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// statuses: each order's history is linearizable, and a version is one state to everybody. The system itself
// moves an order on, and callers only read, so a linearization exists if and only if no read that began after
// another had ended returns an older version; that is decided without a search.
func statuses(ops []history.Op) []Violation {
	reads := map[string][]history.Op{}
	for _, op := range ops {
		read := op.Kind == history.GetOrder || op.Kind == history.WatchMessage || op.Kind == history.PlaceOrder && !op.Replay
		if read && op.Outcome == history.OK {
			reads[op.Order] = append(reads[op.Order], op)
		}
	}
	var found []finding
	for _, id := range slices.Sorted(maps.Keys(reads)) {
		found = append(found, torn(id, reads[id])...)
		found = append(found, backwards(id, reads[id])...)
	}
	return violation(OrderLinearizable, found)
}

// torn finds versions that were two states.
func torn(id string, reads []history.Op) []finding {
	var found []finding
	states := map[int64]string{}
	for _, op := range reads {
		if was, ok := states[op.Version]; ok && was != op.State {
			found = append(found, finding{id, fmt.Sprintf("was %s and %s, both as version %d", was, op.State, op.Version)})
		}
		states[op.Version] = op.State
	}
	return found
}

// backwards finds the first read of an older version than one that had ended before.
func backwards(id string, reads []history.Op) []finding {
	byEnd := slices.Clone(reads)
	slices.SortStableFunc(byEnd, func(a, b history.Op) int { return a.Returned.Compare(b.Returned) })
	slices.SortStableFunc(reads, func(a, b history.Op) int { return a.Invoked.Compare(b.Invoked) })
	ended := 0
	newest := history.Op{}
	streams := map[string]int64{}
	for _, op := range reads {
		for ; ended < len(byEnd) && byEnd[ended].Returned.Before(op.Invoked); ended++ {
			if byEnd[ended].Version > newest.Version {
				newest = byEnd[ended]
			}
		}
		if op.Version < newest.Version {
			return []finding{{id, fmt.Sprintf("was read as version %d after version %d had been read", op.Version, newest.Version)}}
		}
	}
	for _, op := range byEnd { // the messages of one stream, in the order in which they came
		if op.Kind != history.WatchMessage {
			continue
		}
		stream := fmt.Sprint(op.Client, " ", op.Invoked.UnixNano())
		if op.Version <= streams[stream] {
			return []finding{{id, fmt.Sprintf("was streamed as version %d after version %d", op.Version, streams[stream])}}
		}
		streams[stream] = op.Version
	}
	return nil
}

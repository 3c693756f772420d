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
func (f findings) statuses(ops []history.Op) {
	reads := map[string][]history.Op{}
	for _, op := range ops {
		read := op.Kind == history.GetOrder || op.Kind == history.WatchMessage || op.Kind == history.PlaceOrder && !op.Replay
		if read && op.Outcome == history.OK && !op.Foreign {
			reads[op.Order] = append(reads[op.Order], op)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(reads)) {
		f.torn(id, reads[id])
		f.backwards(id, reads[id])
	}
}

// torn finds versions that were two states.
func (f findings) torn(id string, reads []history.Op) {
	states := map[int64]string{}
	for _, op := range reads {
		if was, ok := states[op.Version]; ok && was != op.State {
			f.add(OrderLinearizable, id, "was %s and %s, both as version %d", was, op.State, op.Version)
		}
		states[op.Version] = op.State
	}
}

// backwards finds the first read of an older version than one that had ended before.
func (f findings) backwards(id string, reads []history.Op) {
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
			f.add(OrderLinearizable, id, "was read as version %d after version %d had been read", op.Version, newest.Version)
			return
		}
	}
	for _, op := range byEnd { // the messages of one stream, in the order in which they came
		if op.Kind != history.WatchMessage {
			continue
		}
		stream := fmt.Sprint(op.Client, " ", op.Invoked.UnixNano())
		if op.Version <= streams[stream] {
			f.add(OrderLinearizable, id, "was streamed as version %d after version %d", op.Version, streams[stream])
			return
		}
		streams[stream] = op.Version
	}
}

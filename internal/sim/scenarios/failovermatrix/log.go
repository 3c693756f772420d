package failovermatrix

import (
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// log keeps what probes saw, as one Op for each time that a probe asked: its Client is the probe's number. It is safe for
// concurrent use.
type log struct {
	history.History

	mu       sync.Mutex
	underWay map[*time.Time]struct{} // starts of requests that have no answer yet
}

func newLog() *log { return &log{underWay: map[*time.Time]struct{}{}} }

// begin notes that a probe asks; the returned function takes what it was told.
func (l *log) begin(probe int) func(history.Op) {
	start := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay[&start] = struct{}{}
	return func(op history.Op) {
		op.Client = probe
		op.Invoked = start // of the first request, where the probe takes more than one
		op.Returned = time.Now()
		l.Add(op)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.underWay, &start)
	}
}

// waiting reports whether a request that set off before a time has no answer yet.
func (l *log) waiting(before time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for start := range l.underWay {
		if start.Before(before) {
			return true
		}
	}
	return false
}

// since returns what was answered after a time, by its start.
func (l *log) since(t time.Time) []history.Op {
	return slices.DeleteFunc(l.Ops(), func(op history.Op) bool { return !op.Returned.After(t) })
}

// last counts those of a probe's latest so many requests with an answer that are as they should be.
func (l *log) last(probe, most int, good func(history.Op) bool) int {
	mine := slices.DeleteFunc(l.Ops(), func(op history.Op) bool { return op.Client != probe })
	latest := mine[max(0, len(mine)-most):]
	return len(slices.DeleteFunc(latest, func(op history.Op) bool { return !good(op) }))
}

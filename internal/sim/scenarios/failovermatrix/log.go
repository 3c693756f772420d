package failovermatrix

import (
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/regions"
)

// sample is one request of a probe.
type sample struct {
	probe      int // its number
	start, end time.Time
	ok         bool
	entry      regions.Name // the edge's region
	served     regions.Name
	why        string // it failed
}

// log keeps what probes saw. It is safe for concurrent use.
type log struct {
	mu       sync.Mutex
	samples  []sample
	underWay map[*time.Time]struct{} // starts of requests that have no answer yet
}

func newLog() *log { return &log{underWay: map[*time.Time]struct{}{}} }

// begin notes that a request sets off; the returned function takes its sample.
func (l *log) begin(probe int) func(ok bool, op history.Op) {
	start := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay[&start] = struct{}{}
	return func(ok bool, op history.Op) {
		why := ""
		if err := op.Err(); err != nil {
			why = err.Error()
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.underWay, &start)
		l.samples = append(l.samples, sample{probe, start, time.Now(), ok, op.Entry, op.Served, why})
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

// since returns the samples that were answered after a time, by their start.
func (l *log) since(t time.Time) []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sample
	for _, s := range l.samples {
		if s.end.After(t) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b sample) int { return a.start.Compare(b.start) })
	return out
}

// last returns the latest answers of a probe, newest last, at most n.
func (l *log) last(probe, n int) []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sample
	for i := len(l.samples) - 1; i >= 0 && len(out) < n; i-- {
		if l.samples[i].probe == probe {
			out = append(out, l.samples[i])
		}
	}
	slices.Reverse(out)
	return out
}

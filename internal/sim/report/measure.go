package report

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/regions"
)

// latencies collects durations, three significant digits each. The zero value is ready.
type latencies struct{ h *hdrhistogram.Histogram }

// add records a duration; negative ones count as 0, which differences to a declared figure may be.
func (l *latencies) add(d time.Duration) {
	if l.h == nil {
		l.h = hdrhistogram.New(1, int64(5*time.Minute/time.Microsecond), 3)
	}
	_ = l.h.RecordValue(max(0, d.Microseconds())) // the only error is a value beyond five minutes
}

// at returns a percentile in milliseconds, nil if nothing was recorded.
func (l *latencies) at(percentile float64) *float64 {
	if l.h == nil {
		return nil
	}
	return rounded(float64(l.h.ValueAtQuantile(percentile)) / 1000)
}

func (l *latencies) count() int {
	if l.h == nil {
		return 0
	}
	return int(l.h.TotalCount())
}

func millis(d time.Duration) float64 { return *rounded(float64(d) / float64(time.Millisecond)) }

func rounded(ms float64) *float64 {
	ms = math.Round(ms*100) / 100
	return &ms
}

func ratio(good, all int) *float64 {
	if all == 0 {
		return nil
	}
	r := math.Round(float64(good)/float64(all)*1e6) / 1e6
	return &r
}

// window is over what time a success ratio is taken.
const window = 10 * time.Second

// worstWindow returns the lowest success ratio over any window that begins with a request, and nil without
// requests. A window that is cut short by the end of the run counts with what it has.
func worstWindow(ops []history.Op) *float64 {
	slices.SortStableFunc(ops, func(a, b history.Op) int { return a.Intended.Compare(b.Intended) })
	var worst *float64
	good := 0
	end := 0
	for start, op := range ops {
		for ; end < len(ops) && ops[end].Intended.Sub(op.Intended) < window; end++ {
			if succeeded(ops[end]) {
				good++
			}
		}
		if r := ratio(good, end-start); worst == nil || *r < *worst {
			worst = r
		}
		if succeeded(op) {
			good--
		}
		if end == len(ops) { // shorter windows say no more
			break
		}
	}
	return worst
}

// median returns the median of a few durations in milliseconds, nil without any.
func median(of []time.Duration) *float64 {
	if len(of) == 0 {
		return nil
	}
	slices.Sort(of)
	return rounded(float64(of[(len(of)-1)/2]) / float64(time.Millisecond))
}

func (e Evidence) timeline(ops []history.Op) []Second {
	type key struct {
		region regions.Name
		at     int
	}
	type measures struct {
		Second
		reads, orders []time.Duration
	}
	seconds := map[key]*measures{}
	last := 0
	for _, op := range ops {
		if !counts(op) || op.Home == "" {
			continue
		}
		k := key{op.Home, int(op.Intended.Sub(e.Result.Began) / time.Second)}
		m := seconds[k]
		if m == nil {
			m = &measures{Second: Second{At: k.at, Region: k.region}}
			seconds[k] = m
			last = max(last, k.at)
		}
		m.Requests++
		switch {
		case !succeeded(op):
			m.Failed++
		case op.Outcome != history.OK: // a refusal is quick, but no order
		case op.Kind.Catalog():
			m.reads = append(m.reads, op.Latency())
		case op.Kind == history.PlaceOrder:
			m.orders = append(m.orders, op.Latency())
		}
	}
	out := []Second{}
	for _, name := range e.Catalog.Names() {
		for at := range last + 1 {
			if m := seconds[key{name, at}]; m != nil {
				m.CallerCatalogReadP50 = median(m.reads)
				m.CallerPlaceOrderP50 = median(m.orders)
				out = append(out, m.Second)
			}
		}
	}
	return out
}

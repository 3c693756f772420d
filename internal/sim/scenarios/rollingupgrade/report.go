package rollingupgrade

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// Invariants of this drill, beside the checker's and the audit's.
const (
	NoFailedRequest = "no-failed-request"
	NotVacuous      = "drill-not-vacuous" // both releases served, under load
)

// Figures are what a drill came to. Times are milliseconds since the load began.
type Figures struct {
	Schemas     [2]int64  `json:"schemas"` // the last migration before and after
	Passes      []Pass    `json:"passes"`
	Requests    int       `json:"requests"` // of the whole load, each attempt and replay
	Failed      []Failure `json:"failed"`
	Reconnected int       `json:"streams_told_to_reconnect"` // by an instance that left; each was opened anew
	Orders      int       `json:"orders_acknowledged"`
	Placed      int       `json:"orders_placed"` // rows at the end
}

// Pass is one way through the regions.
type Pass struct {
	Name     string                    `json:"name"` // upgrade or rollback
	At       float64                   `json:"at_ms"`
	Took     float64                   `json:"took_ms"`
	Requests int                       `json:"requests"` // that callers made meanwhile
	Failed   int                       `json:"failed"`
	Releases map[string]ReleaseRequest `json:"releases"` // that answered meanwhile
	Steps    []Step                    `json:"steps"`

	from, to time.Time
}

// ReleaseRequest counts what the processes of one release answered.
type ReleaseRequest struct {
	Stacks int `json:"stack_requests"`
	Edges  int `json:"edge_requests"`
}

// Step is one process that was replaced.
type Step struct {
	Process string  `json:"process"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	At      float64 `json:"at_ms"`
	Took    float64 `json:"took_ms"` // until the new one served; an edge: until it is announced again
	Orderly bool    `json:"orderly"` // the former one drained and left by itself
}

// Failure is a request that was not served.
type Failure struct {
	At      float64 `json:"at_ms"`
	Kind    string  `json:"kind"`
	City    string  `json:"city"`
	Entry   string  `json:"entry"`
	Served  string  `json:"served"`
	Attempt int     `json:"attempt"`
	Code    string  `json:"code"`
	Reason  string  `json:"reason"`
	Detail  string  `json:"detail"`
}

// evidence is what a report is computed from.
type evidence struct {
	scenario.Evidence
	*drill
}

func build(e evidence) scenario.Verdict {
	f := Figures{Schemas: e.schemas, Passes: []Pass{}, Failed: []Failure{}, Placed: len(e.Facts.Orders)}
	for _, p := range e.passes {
		e.count(&p)
		f.Passes = append(f.Passes, p)
	}
	for _, op := range e.Ops {
		if op.Kind == history.PlaceOrder && op.Outcome == history.OK && !op.Replay {
			f.Orders++
		}
		if !e.counts(op) {
			continue
		}
		f.Requests++
		switch {
		case reconnects(op):
			f.Reconnected++
		case failed(op):
			f.Failed = append(f.Failed, Failure{
				At: e.at(op.Invoked), Kind: string(op.Kind), City: op.City, Entry: string(op.Entry), Served: string(op.Served),
				Attempt: op.Attempt, Code: op.Code, Reason: op.Reason, Detail: op.Message,
			})
		}
	}
	v := scenario.Verdict{
		Violations: e.Violations(), Invariants: []string{NoFailedRequest, NotVacuous}, Figures: f, Page: f.page(),
	}
	if len(f.Failed) > 0 {
		first := f.Failed[0]
		v.Fail(NoFailedRequest, "%d of %d requests failed; the first at %.1f s: %s from %s: %s %s %s",
			len(f.Failed), f.Requests, first.At/1000, first.Kind, first.City, first.Code, first.Reason, first.Detail)
	}
	e.guards(f, &v)
	return v
}

// counts reports whether an operation is a request of the load: every attempt and every replay is.
func (e evidence) counts(op history.Op) bool {
	return op.Kind != history.WatchMessage && !op.Intended.Before(e.Result.Began)
}

// failed reports whether a caller did not get what it asked for, nor an answer of the shop's own such as that stock
// ran out.
func failed(op history.Op) bool { return op.Outcome != history.OK && !history.Refusal(op.Reason) }

// reconnects reports whether an operation is a stream that its instance ended in order, asking for another.
func reconnects(op history.Op) bool { return op.Kind == history.Watch && op.Reason == history.Draining }

func (e evidence) at(t time.Time) float64 { return millis(t.Sub(e.Result.Began)) }

// count adds the requests of the load that were under way during a pass to it.
func (e evidence) count(p *Pass) {
	for _, op := range e.Ops {
		if !e.counts(op) || op.Returned.Before(p.from) || op.Invoked.After(p.to) {
			continue
		}
		p.Requests++
		if failed(op) && !reconnects(op) {
			p.Failed++
		}
	}
}

// guards are what must have happened for the drill to prove anything.
func (e evidence) guards(f Figures, v *scenario.Verdict) {
	for _, p := range f.Passes {
		if len(p.Releases) != 2 {
			v.Fail(NotVacuous, "%s: %d releases served, not two", p.Name, len(p.Releases))
		}
		for release, n := range p.Releases {
			if n.Stacks == 0 || n.Edges == 0 {
				v.Fail(NotVacuous, "%s: the stacks of %s answered %d requests and its edges %d", p.Name, release, n.Stacks, n.Edges)
			}
		}
		for _, s := range p.Steps {
			if s.From == s.To {
				v.Fail(NotVacuous, "%s: %s runs %s, as before", p.Name, s.Process, s.To)
			}
			if isEdge(s.Process) && s.Orderly && !e.withdrawn(s) {
				v.Fail(NotVacuous, "%s: callers were never led away from %s", p.Name, s.Process)
			}
		}
		if p.Requests < 3*len(p.Steps) {
			v.Fail(NotVacuous, "%s: %d requests are too few to notice %d replacements", p.Name, p.Requests, len(p.Steps))
		}
	}
	if f.Orders == 0 {
		v.Fail(NotVacuous, "no order was acknowledged")
	}
	if e.Result.Dropped > 0 {
		v.Fail(NotVacuous, "the load dropped %d arrivals: this machine was too busy", e.Result.Dropped)
	}
}

// withdrawn reports whether a replaced edge was withdrawn meanwhile.
func (e evidence) withdrawn(s Step) bool {
	return slices.ContainsFunc(e.Changes, func(c internet.Change) bool {
		at := e.at(c.At)
		return !c.Up && c.Region == regionOf(s.Process) && at >= s.At && at <= s.At+s.Took
	})
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// page is the report as people read it.
func (f Figures) page() report.Page {
	passes := report.Table{
		Title: "Releases", Note: "Every request that a caller made counts, repeated ones too. What a process answered while it drained is not counted to its release.",
		Head: []string{"pass", "took", "requests", "failed", "release", "answered by its stacks", "by its edges"},
	}
	steps := report.Table{Title: "Steps", Head: []string{"pass", "process", "from", "to", "took"}}
	for _, p := range f.Passes {
		for _, release := range slices.Sorted(maps.Keys(p.Releases)) {
			n := p.Releases[release]
			passes.Rows = append(passes.Rows, []string{
				p.Name, fmt.Sprintf("%.0f s", p.Took/1000), strconv.Itoa(p.Requests), strconv.Itoa(p.Failed), release, strconv.Itoa(n.Stacks), strconv.Itoa(n.Edges),
			})
		}
		for _, s := range p.Steps {
			steps.Rows = append(steps.Rows, []string{p.Name, s.Process, short(s.From), short(s.To), fmt.Sprintf("%.1f s", s.Took/1000)})
		}
	}
	sums := report.Table{Title: "Requests", Head: []string{"", ""}, Rows: [][]string{
		{"requests", strconv.Itoa(f.Requests)}, {"failed", strconv.Itoa(len(f.Failed))}, {"streams told to reconnect", strconv.Itoa(f.Reconnected)},
		{"orders acknowledged", strconv.Itoa(f.Orders)}, {"schema", fmt.Sprintf("%d → %d", f.Schemas[0], f.Schemas[1])},
	}}
	failures := report.Table{Title: "Failed requests", Head: []string{"at", "request", "from", "entry", "served", "attempt", "why"}}
	for _, f := range f.Failed[:min(len(f.Failed), 30)] {
		failures.Rows = append(failures.Rows, []string{
			fmt.Sprintf("%.1f s", f.At/1000), f.Kind, f.City, f.Entry, f.Served, strconv.Itoa(f.Attempt), f.Code + " " + f.Reason + " " + f.Detail,
		})
	}
	return report.Page{
		Title:  "Rolling upgrade",
		Means:  "No request failed while the releases changed, and every invariant holds.",
		Tables: []report.Table{passes, steps, sums, failures},
	}
}

package rollingupgrade

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
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
	Name     string                     `json:"name"` // upgrade or rollback
	At       float64                    `json:"at_ms"`
	Took     float64                    `json:"took_ms"`
	Requests int                        `json:"requests"` // that callers made meanwhile
	Failed   int                        `json:"failed"`
	Releases map[Release]ReleaseRequest `json:"releases"` // that answered meanwhile
	Steps    []Step                     `json:"steps"`

	from, to time.Time
}

// Seconds is how long it took.
func (p Pass) Seconds() float64 { return p.Took / 1000 }

// ReleaseRequest counts what the processes of one release answered.
type ReleaseRequest struct {
	Stacks int `json:"stack_requests"`
	Edges  int `json:"edge_requests"`
}

// Step is one process that was replaced.
type Step struct {
	Process string  `json:"process"`
	From    Release `json:"from"`
	To      Release `json:"to"`
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
		if op.Placed() {
			f.Orders++
		}
		if !e.counts(op) {
			continue
		}
		f.Requests++
		switch {
		case reconnects(op):
			f.Reconnected++
		case !op.Succeeded():
			f.Failed = append(f.Failed, Failure{
				At: e.at(op.Invoked), Kind: string(op.Kind), City: op.City, Entry: string(op.Entry), Served: string(op.Served),
				Attempt: op.Attempt, Code: op.Code, Reason: op.Reason, Detail: op.Message,
			})
		}
	}
	v := scenario.Verdict{
		Violations: e.Violations(), Invariants: []string{NoFailedRequest, NotVacuous}, Figures: f,
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

// reconnects reports whether an operation is a stream that its instance ended in order, asking for another.
func reconnects(op history.Op) bool { return op.Kind == history.Watch && op.Reason == history.Draining }

func (e evidence) at(t time.Time) float64 { return history.Millis(t.Sub(e.Result.Began)) }

// count adds the requests of the load that were under way during a pass to it.
func (e evidence) count(p *Pass) {
	for _, op := range e.Ops {
		if !e.counts(op) || op.Returned.Before(p.from) || op.Invoked.After(p.to) {
			continue
		}
		p.Requests++
		if !op.Succeeded() && !reconnects(op) {
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

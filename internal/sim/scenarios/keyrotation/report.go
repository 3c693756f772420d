package keyrotation

import (
	"context"
	"slices"

	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// Invariants of this drill, beside the checker's and the audit's.
const (
	NoTokenRefused = "no-token-refused"
	NotVacuous     = "drill-not-vacuous" // tokens of both keys were taken everywhere
)

// unauthenticated is Connect's code of 401.
const unauthenticated = "unauthenticated"

// Figures are what a drill came to. Times are milliseconds since the load began.
type Figures struct {
	Former   string    `json:"former_key"`
	Key      string    `json:"key"`
	At       float64   `json:"at_ms"`
	Took     float64   `json:"took_ms"`
	Killed   int       `json:"killed"`   // times that the command was, and begun again
	Requests int       `json:"requests"` // of the load and the witnesses, each attempt
	Refused  []Refusal `json:"refused"`
	Failed   int       `json:"failed"` // for another reason
	Shown    []Shown   `json:"tokens_shown"`
}

// Shown counts the tokens of somebody of one region that were taken of those who enter by another.
type Shown struct {
	Home   regions.Name `json:"home"`
	Entry  regions.Name `json:"entry"`
	Former int          `json:"of_former_key"`
	Fresh  int          `json:"of_key"`
}

// Refusal is a request that was refused for its token.
type Refusal struct {
	At     float64 `json:"at_ms"`
	Kind   string  `json:"kind"`
	Home   string  `json:"home"`
	Entry  string  `json:"entry"`
	Served string  `json:"served"`
	Reason string  `json:"reason"`
}

func (d *drill) judge(_ context.Context, r *scenario.Run, e scenario.Evidence) (scenario.Verdict, error) {
	former, key := d.before.Signer(), d.after.Signer()
	f := Figures{
		Former: rotation.Short(former), Key: rotation.Short(key), At: history.Millis(d.began.Sub(r.Began)), Took: history.Millis(d.took),
		Killed: d.killed, Refused: []Refusal{}, Shown: []Shown{},
	}
	e.Ops = slices.Clone(e.Ops)
	for _, w := range d.witnesses {
		w.mu.Lock()
		e.Ops = append(e.Ops, w.ops...)
		for _, entry := range r.Catalog.Names() {
			f.Shown = append(f.Shown, Shown{w.home, entry, w.shown[shown{entry, former}], w.shown[shown{entry, key}]})
		}
		w.mu.Unlock()
	}
	for _, op := range e.Ops {
		if op.Kind == history.WatchMessage || op.Invoked.Before(e.Result.Began) {
			continue
		}
		f.Requests++
		switch {
		case op.Code == unauthenticated:
			f.Refused = append(f.Refused, Refusal{
				history.Millis(op.Invoked.Sub(e.Result.Began)), string(op.Kind), string(op.Home), string(op.Entry), string(op.Served), op.Reason,
			})
		case !op.Succeeded():
			f.Failed++
		}
	}
	v := scenario.Verdict{Violations: e.Violations(), Invariants: []string{NoTokenRefused, NotVacuous}, Figures: f}
	if len(f.Refused) > 0 {
		first := f.Refused[0]
		v.Fail(NoTokenRefused, "%d of %d requests were refused for their token; one at %.1f s: %s by somebody of %s, at the edge of %s, by %s: %s",
			len(f.Refused), f.Requests, first.At/1000, first.Kind, first.Home, first.Entry, first.Served, first.Reason)
	}
	guards(f, &v)
	return v, nil
}

// guards are what must have happened for the drill to prove anything.
func guards(f Figures, v *scenario.Verdict) {
	if f.Former == f.Key {
		v.Fail(NotVacuous, "the key that signs is the former one")
	}
	for _, s := range f.Shown {
		if s.Former < 3 || s.Fresh < 3 {
			v.Fail(NotVacuous, "of somebody of %s who enters by %s, %d tokens of the former key were taken and %d of the new one", s.Home, s.Entry, s.Former, s.Fresh)
		}
	}
	if len(f.Shown) == 0 {
		v.Fail(NotVacuous, "nobody showed a token")
	}
}

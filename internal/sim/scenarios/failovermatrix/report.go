package failovermatrix

import (
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

// recoveryObjective is the most that callers may wait for new requests to succeed: from the fault if their
// entry edge lives, from its withdrawal if not.
const recoveryObjective = 1000.0 // ms

// What a row may break.
const (
	FaultBit = "fault-bit"         // the fault reached something
	NotTwice = "nothing-twice"     // what must not be done twice was not
	NotLost  = "acknowledged-kept" // what was acknowledged is there
)

// Figures are the whole matrix.
type Figures struct {
	Region regions.Name `json:"region"`
	Rows   []Row        `json:"rows"`
}

// Row is one fault. Times are milliseconds after the fault unless their names say otherwise; nil: it did not
// happen while the fault lasted.
type Row struct {
	Fault       string    `json:"fault"`
	What        string    `json:"what"`
	At          time.Time `json:"at"`
	HeldMs      float64   `json:"held_ms"`      // until healing began
	HealedMs    float64   `json:"healed_ms"`    // from then on until the region was ready
	WithdrawnMs *float64  `json:"withdrawn_ms"` // when the region's edge was withdrawn; nil: it never was
	LeasesMs    *float64  `json:"leases_ms"`    // when the leases of the region's rows had moved; nil: they never left
	Bit         bool      `json:"bit"`          // the fault reached something
	LateMs      float64   `json:"late_ms"`      // how much later than it should a probe asked at worst: this machine was busy
	Measured    int       `json:"measured"`     // how many times, because something else disturbed it

	Alive Figure `json:"entry_lives"`                   // callers whose entry edge lives, not about the region's rows
	Home  Figure `json:"entry_lives_home_lost"`         // the same callers, about the region's rows
	Entry Figure `json:"entry_lost"`                    // callers who enter at the region's edge; from its withdrawal on
	Both  Figure `json:"entry_lost_home_lost"`          // the same callers, about the region's rows
	Once  int    `json:"asked_that_must_not_be_twice"`  // orders, conditional cart edits and sign-ups
	Twice int    `json:"executed_twice"`                // of those
	Lost  int    `json:"acknowledged_and_not_executed"` // orders

	Disturbed bool `json:"-"` // by something else: it was measured as often as it may be, and counts for little
}

// Seen is what some callers saw.
type Seen struct {
	RecoveredMs *float64 `json:"recovered_ms"` // the slowest probe's; nil: one of them did not recover
	Until       Tally    `json:"until"`        // from the fault to the withdrawal of the entry, of those who enter there
	During      Tally    `json:"during"`       // from then on to the healing; of the others from the fault on, those under way among them
	Healing     Tally    `json:"healing"`      // from then on
}

// Figure is what one group of probes saw.
type Figure struct {
	Seen
	Parts []Part `json:"probes"`
}

// Part is what one probe saw.
type Part struct {
	Probe string `json:"probe"`
	Seen
	Why []string `json:"why"` // up to three reasons of failures during the fault
}

// Tally counts requests.
type Tally struct {
	Asked      int `json:"asked"`
	Failed     int `json:"failed"`
	Repeatable int `json:"failed_repeatable"` // reads, and writes with a key
}

func (t *Tally) take(s history.Op, repeatable bool) {
	t.Asked++
	if !served(s) {
		t.Failed++
		if repeatable {
			t.Repeatable++
		}
	}
}

func (t *Tally) add(o Tally) {
	t.Asked += o.Asked
	t.Failed += o.Failed
	t.Repeatable += o.Repeatable
}

// count takes in what was done between two counts.
func (r *Row) count(before, after effects) {
	r.Once = after.asked - before.asked
	r.Twice = len(after.repeats) - len(before.repeats)
	r.Lost = len(after.missing) - len(before.missing)
}

// objectives are what a row is held against.
func (r *Row) objectives() []report.Objective {
	name := strings.ReplaceAll(r.Fault, " ", "_")
	out := []report.Objective{
		report.AtMost(name+".entry_lives", "from the fault until new requests succeed, entry lives", recoveryObjective, r.Alive.RecoveredMs),
		report.AtMost(name+".entry_lost", "from the withdrawal until new requests succeed, entry lost", recoveryObjective, r.Entry.RecoveredMs),
	}
	if r.Fault == faultCrash {
		n := float64(r.Alive.During.Repeatable)
		out = append(out, report.Objective{
			Name: name + ".repeatable_failed", Unit: "requests", Actual: &n, Met: n == 0, Measures: "repeatable requests that failed, entry lives",
		})
	}
	return out
}

// verdict judges the rows and what the last count found.
func (f Figures) verdict(last effects) scenario.Verdict {
	v := scenario.Verdict{Figures: f, Invariants: []string{FaultBit, NotTwice, NotLost}}
	for _, row := range f.Rows {
		v.Objectives = append(v.Objectives, row.objectives()...)
		if !row.Bit {
			v.Fail(FaultBit, "%s: the fault reached nothing, so that its figures prove nothing", row.Fault)
		}
	}
	for _, what := range last.repeats {
		v.Fail(NotTwice, "%s", what)
	}
	for _, what := range last.missing {
		v.Fail(NotLost, "%s", what)
	}
	return v
}

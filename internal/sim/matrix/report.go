package matrix

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

// File is the name of the report in its folder.
const File = "matrix.json"

// schemaVersion changes when a field is renamed, removed or changes its meaning.
const schemaVersion = "1"

// recoveryObjective is the most that callers may wait for new requests to succeed: from the fault if their
// entry edge lives, from its withdrawal if not.
const recoveryObjective = 1000.0 // ms

// Report is the whole matrix. It passed if Violations is empty.
type Report struct {
	SchemaVersion string       `json:"schema_version"`
	Seed          uint64       `json:"seed"`
	Region        regions.Name `json:"region"`
	Commit        string       `json:"commit"`
	Command       string       `json:"command"`
	StartedAt     time.Time    `json:"started_at"`
	Machine       string       `json:"machine"`
	Model         string       `json:"model"`
	Violations    []string     `json:"violations"`
	Missed        []string     `json:"missed_objectives"`
	Rows          []Row        `json:"rows"`
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

	disturbed bool
}

// Figure is what one group of probes saw.
type Figure struct {
	RecoveredMs *float64 `json:"recovered_ms"` // the slowest probe's; nil: one of them did not recover
	Until       Tally    `json:"until"`        // from the fault to the withdrawal of the entry, of those who enter there
	During      Tally    `json:"during"`       // from then on to the healing; of the others from the fault on, those under way among them
	Healing     Tally    `json:"healing"`      // from then on
	Parts       []Part   `json:"probes"`
}

// Part is what one probe saw.
type Part struct {
	Probe       string   `json:"probe"`
	RecoveredMs *float64 `json:"recovered_ms"`
	Until       Tally    `json:"until"`
	During      Tally    `json:"during"`
	Healing     Tally    `json:"healing"`
	Why         []string `json:"why"` // up to three reasons of failures during the fault
}

// Tally counts requests.
type Tally struct {
	Asked      int `json:"asked"`
	Failed     int `json:"failed"`
	Repeatable int `json:"failed_repeatable"` // reads, and writes with a key
}

func (t *Tally) take(s sample, repeatable bool) {
	t.Asked++
	if !s.ok {
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

func newReport(cfg Config) Report {
	return Report{
		SchemaVersion: schemaVersion, Seed: cfg.Seed, Region: cfg.Region, Commit: cfg.Commit, Command: cfg.Command, StartedAt: time.Now().UTC(),
		Machine:    fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Model:      "PostgreSQL with the locality model, not CockroachDB",
		Violations: []string{}, Missed: []string{}, Rows: []Row{},
	}
}

// count takes in what was done between two counts.
func (r *Row) count(before, after effects) {
	r.Once = after.asked - before.asked
	r.Twice = len(after.repeats) - len(before.repeats)
	r.Lost = len(after.missing) - len(before.missing)
}

// add takes a row in and judges it.
func (r *Report) add(row Row) {
	r.Rows = append(r.Rows, row)
	if !row.Bit {
		r.Violations = append(r.Violations, row.Fault+": the fault reached nothing, so that its figures prove nothing")
	}
	miss := func(what string, f Figure) {
		if f.RecoveredMs == nil || *f.RecoveredMs > recoveryObjective {
			r.Missed = append(r.Missed, fmt.Sprintf("%s: %s: new requests succeed after %s ms, not %.0f", row.Fault, what, number(f.RecoveredMs), recoveryObjective))
		}
	}
	miss(string(groupAlive), row.Alive)
	miss(string(groupEntry), row.Entry)
	if n := row.Alive.During.Repeatable; row.Fault == faultCrash && n > 0 {
		r.Missed = append(r.Missed, fmt.Sprintf("%s: %s: %d repeatable requests failed, not 0", row.Fault, groupAlive, n))
	}
}

// finish takes in what the last count found.
func (r *Report) finish(before, last effects) {
	if late := len(last.repeats) - len(before.repeats); late > 0 && len(r.Rows) > 0 {
		r.Rows[len(r.Rows)-1].Twice += late
	}
	for _, what := range last.repeats {
		r.Violations = append(r.Violations, "executed twice: "+what)
	}
	for _, what := range last.missing {
		r.Violations = append(r.Violations, "lost: "+what)
	}
}

// Write writes the report into a folder, which it makes.
func Write(dir string, r Report) error { return report.WriteJSON(dir, File, r) }

// printed is how many violations are printed; the file has all.
const printed = 10

// Print writes the matrix as a table for people.
func Print(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }
	p("\t\tentry lives\t\tentry lost, from withdrawal\t\trows of %s\t\t\t\t", r.Region)
	p("fault\twithdrawn\tnew ok\tfailed\tnew ok\tfailed\tleases\tentry lives\tentry lost\ttwice\t")
	for _, row := range r.Rows {
		p("%s\t%s\t%s\t%d of %d\t%s\t%d of %d\t%s\t%s\t%s\t%d of %d\t", row.Fault, number(row.WithdrawnMs),
			number(row.Alive.RecoveredMs), row.Alive.During.Repeatable, row.Alive.During.Asked,
			number(row.Entry.RecoveredMs), row.Entry.During.Repeatable, row.Entry.During.Asked,
			number(row.LeasesMs), number(row.Home.RecoveredMs), number(row.Both.RecoveredMs), row.Twice, row.Once)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("matrix: print: %w", err)
	}
	_, _ = fmt.Fprintln(w, "ms; – is never while the fault lasted; failed counts requests that could be repeated; rows: reads, edits and orders")
	for _, miss := range r.Missed {
		_, _ = fmt.Fprintln(w, "missed: "+miss)
	}
	for _, row := range r.Rows {
		if row.disturbed {
			_, _ = fmt.Fprintf(w, "doubtful: %s: this machine was too busy; a probe was %.0f ms late\n", row.Fault, row.LateMs)
		}
	}
	for i, v := range r.Violations {
		if i == printed {
			_, _ = fmt.Fprintf(w, "VIOLATION: and %d more\n", len(r.Violations)-printed)
			break
		}
		_, _ = fmt.Fprintln(w, "VIOLATION: "+v)
	}
	_, err := fmt.Fprintf(w, "%d violations, %d objectives missed\n", len(r.Violations), len(r.Missed))
	return err
}

func number(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", *ms)
}

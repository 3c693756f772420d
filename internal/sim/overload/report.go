package overload

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/meridian-commerce/meridian/internal/sim/report"
)

// File is the name of the report in its folder.
const File = "overload.json"

// Objectives.
const (
	goodputObjective  = 0.9 // of the capacity
	checkoutObjective = 0.99
	refusalObjective  = 5 * time.Millisecond
	recoveryObjective = 5 * time.Second
	fewestOrders      = 30 // that must have been tried for their ratio to mean anything
)

// phase is a stretch of load and what came of it.
type phase struct {
	from, to time.Time
	answers  []answer
}

// Report is what an overload came to. Times are milliseconds.
type Report struct {
	SchemaVersion string         `json:"schema_version"`
	Seed          uint64         `json:"seed"`
	Commit        string         `json:"commit"`
	Command       string         `json:"command"`
	Capacity      float64        `json:"capacity_per_s"`    // measured
	Asked         float64        `json:"asked_per_s"`       // during the overload
	Goodput       float64        `json:"goodput_per_s"`     // served during it
	Kinds         map[kind]Count `json:"kinds"`             // during it
	RefusalP50    float64        `json:"refusal_p50_ms"`    // as the caller sees it
	RefusalP99    float64        `json:"refusal_p99_ms"`    // as the caller sees it
	Recovered     *float64       `json:"recovered_ms"`      // after its end, until all is well for two seconds; null: not
	Missed        []string       `json:"missed_objectives"` // what was not as it should be
	Violations    []string       `json:"violations"`        // why the figures prove nothing
}

// Count is what became of requests of a kind.
type Count struct {
	Served  int `json:"served"`
	Refused int `json:"refused"` // 429 and 503
	Failed  int `json:"failed"`  // all else
}

// build sums an overload and what followed it up.
func build(cfg Config, capacity float64, heavy, calm phase) Report {
	r := Report{
		SchemaVersion: "1", Seed: cfg.Seed, Commit: cfg.Commit, Command: cfg.Command, Capacity: capacity,
		Kinds: map[kind]Count{}, Missed: []string{}, Violations: []string{},
	}
	refusals := hdrhistogram.New(1, 60_000_000, 3) // microseconds
	seconds := heavy.to.Sub(heavy.from).Seconds()
	for _, a := range heavy.answers {
		c := r.Kinds[a.kind]
		switch {
		case a.status == http.StatusOK:
			c.Served++
			if a.useful() && a.end.Before(heavy.to) {
				r.Goodput += 1 / seconds
			}
		case a.refused():
			c.Refused++
			_ = refusals.RecordValue(a.end.Sub(a.start).Microseconds()) // a minute is more than anybody's patience
		default:
			c.Failed++
		}
		r.Kinds[a.kind] = c
	}
	r.Asked = float64(len(heavy.answers)) / seconds
	r.RefusalP50, r.RefusalP99 = float64(refusals.ValueAtQuantile(50))/1000, float64(refusals.ValueAtQuantile(99))/1000
	if took, ok := recovered(calm); ok {
		r.Recovered = new(float64(took.Microseconds()) / 1000)
	}
	r.judge(cfg)
	return r
}

// judge holds the figures against the objectives.
func (r *Report) judge(cfg Config) {
	miss := func(format string, args ...any) { r.Missed = append(r.Missed, fmt.Sprintf(format, args...)) }
	bad := func(format string, args ...any) { r.Violations = append(r.Violations, fmt.Sprintf(format, args...)) }
	orders := r.Kinds[kindOrder]
	tried := orders.Served + orders.Refused + orders.Failed
	if r.Asked < 0.9*cfg.Times*r.Capacity {
		bad("asked for %.0f requests/s, not %.0f: this machine was too busy", r.Asked, cfg.Times*r.Capacity)
	}
	if r.Kinds[kindBrowse].Refused == 0 {
		bad("nothing was refused: it was no overload")
	}
	if tried < fewestOrders {
		bad("%d orders were tried; it takes %d for their success to mean anything", tried, fewestOrders)
	}
	if r.Goodput < goodputObjective*r.Capacity {
		miss("goodput is %.0f %% of the capacity, not %.0f %%", 100*r.Goodput/r.Capacity, 100*goodputObjective)
	}
	if float64(orders.Served) < checkoutObjective*float64(tried) {
		miss("%d of %d checkouts succeed, not %.0f %%", orders.Served, tried, 100*checkoutObjective)
	}
	if limit := float64(refusalObjective.Milliseconds()); r.RefusalP99 >= limit {
		miss("99 %% of refusals are answered within %.1f ms, not %.0f", r.RefusalP99, limit)
	}
	if r.Recovered == nil || *r.Recovered > float64(recoveryObjective.Milliseconds()) {
		miss("all is well after %s ms, not %d", number(r.Recovered), recoveryObjective.Milliseconds())
	}
}

// recovered returns how long after the beginning of a phase the last request failed that was followed by a failure
// within two seconds; false if the phase ends too early to tell.
func recovered(p phase) (time.Duration, bool) {
	answers := slices.SortedFunc(slices.Values(p.answers), func(a, b answer) int { return a.start.Compare(b.start) })
	since := p.from
	for _, a := range answers {
		if a.start.Sub(since) >= recoveredOnce {
			break
		}
		if !a.useful() {
			since = a.start
		}
	}
	return since.Sub(p.from), p.to.Sub(since) >= recoveredOnce
}

// Write writes the report into a folder, which it makes.
func Write(dir string, r Report) error { return report.WriteJSON(dir, File, r) }

// Print writes the figures for people.
func Print(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "request\tserved\trefused\tfailed\t")
	for _, k := range []kind{kindOrder, kindCart, kindBrowse} {
		c := r.Kinds[k]
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", k, c.Served, c.Refused, c.Failed)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("overload: print: %w", err)
	}
	_, _ = fmt.Fprintf(w, "asked for %.0f/s of %.0f/s; goodput %.1f/s (%.0f %%); refusals p50 %.1f ms, p99 %.1f ms; all well after %s ms\n",
		r.Asked, r.Capacity, r.Goodput, 100*r.Goodput/r.Capacity, r.RefusalP50, r.RefusalP99, number(r.Recovered))
	for _, miss := range r.Missed {
		_, _ = fmt.Fprintln(w, "missed: "+miss)
	}
	for _, v := range r.Violations {
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

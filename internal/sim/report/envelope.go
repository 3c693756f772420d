// Package report writes what a drill found: JSON with a versioned schema that docs/reference/report-schema.md documents
// field by field, HTML that needs nothing but a browser, JUnit's XML for continuous integration, and a summary for the
// terminal.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
)

// Model says what stood in for what.
const Model = "PostgreSQL with the locality model, not CockroachDB; wide-area latency by toxiproxy; Consul, Redis and the product itself are real"

// Envelope is what every report begins with, whatever was drilled.
type Envelope struct {
	SchemaVersion string            `json:"schema_version"` // grows when a field is renamed, removed or changes its meaning
	Scenario      string            `json:"scenario"`
	Seed          uint64            `json:"seed"`
	Commit        string            `json:"commit"`
	Command       string            `json:"command"` // that repeats the run
	Plant         string            `json:"plant,omitempty"`
	StartedAt     time.Time         `json:"started_at"`
	Machine       Machine           `json:"machine"`
	Model         string            `json:"model"`
	Violations    []check.Violation `json:"violations"`
	Objectives    []Objective       `json:"objectives"`
}

// Machine is what the run had to share.
type Machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Go   string `json:"go"`
}

// Here describes the machine that this process runs on.
func Here() Machine {
	return Machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}

// Objective is one target and how it went.
type Objective struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit"` // ms or ratio
	Limit    float64  `json:"limit"`
	AtLeast  bool     `json:"at_least"` // the limit is a floor; else a ceiling
	Actual   *float64 `json:"actual"`
	Met      bool     `json:"met"`
	Measures string   `json:"measures"`
}

// AtMost is the objective that a figure in milliseconds is no more than a limit. A figure that could not be measured
// does not meet it.
func AtMost(name, measures string, limit float64, actual *float64) Objective {
	limit = math.Round(limit*100) / 100
	return Objective{Name: name, Unit: "ms", Limit: limit, Actual: actual, Met: actual != nil && *actual <= limit, Measures: measures}
}

// AtLeast is the objective that a ratio is no less than a limit.
func AtLeast(name, measures string, limit float64, actual *float64) Objective {
	return Objective{Name: name, Unit: "ratio", Limit: limit, AtLeast: true, Actual: actual, Met: actual != nil && *actual >= limit, Measures: measures}
}

// Report is a run's result: the envelope, the scenario's own figures, and both as people read them.
type Report struct {
	Envelope
	Figures    any      // a struct whose fields follow the envelope's in the JSON; nil: none
	Page       Page     // for people
	Invariants []string // that were judged, broken or not
	Strict     bool     // a missed objective fails the run, too
}

// MarshalJSON implements json.Marshaler: one object, the scenario's own fields behind the envelope's.
func (r Report) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(r.Envelope)
	if err != nil || r.Figures == nil {
		return head, err
	}
	own, err := json.Marshal(r.Figures)
	if err != nil {
		return nil, fmt.Errorf("report: figures of %s: %w", r.Scenario, err)
	}
	// Go inlines embedded structs only where their type is known; here it is the scenario's, so two objects are joined.
	own = bytes.TrimPrefix(own, []byte("{"))
	if len(own) == 1 {
		return head, nil
	}
	return slices.Concat(head[:len(head)-1], []byte(","), own), nil
}

// Failed names why a run failed, and is empty if it passed: each violation, and if strict, each missed objective.
func (r Report) Failed() []string {
	var names []string
	for _, v := range r.Violations {
		names = append(names, v.Invariant)
	}
	for _, o := range r.Objectives {
		if r.Strict && !o.Met {
			names = append(names, "objective "+o.Name)
		}
	}
	return names
}

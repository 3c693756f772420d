package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
)

func TestJUnit(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		fast, slow := 1.2, 8.0
		r := Report{
			Envelope: Envelope{
				Scenario: "kill-region", Violations: []check.Violation{{Invariant: check.CaptureOnce, Detail: "twice"}, {Invariant: "guard", Detail: "vacuous"}},
				Objectives: []Objective{
					AtMost("fast", "p50", 3, &fast), AtMost("slow", "p50", 3, &slow), AtLeast("unmeasured", "ratio of nothing", 0.9, nil),
				},
			},
			Invariants: check.Invariants(), Strict: strict,
		}
		suite := r.junit()
		outcomes := map[string]string{}
		for _, c := range suite.Cases {
			switch {
			case c.Failure != nil:
				outcomes[c.Name] = "failed: " + c.Failure.Message
			case c.Skipped != nil:
				outcomes[c.Name] = "skipped: " + c.Skipped.Message
			default:
				outcomes[c.Name] = "passed"
			}
		}
		missed, failures := "skipped", 2
		if strict {
			missed, failures = "failed", 4
		}
		want := map[string]string{
			check.CaptureOnce: "failed: twice", "guard": "failed: vacuous", check.FulfilledPaid: "passed",
			"fast": "passed", "slow": missed + ": 8 ms, not ≤ 3 ms: p50", "unmeasured": missed + ": –, not ≥ 90 %: ratio of nothing",
		}
		for name, outcome := range want {
			if outcomes[name] != outcome {
				t.Errorf("strict %t: %s is %q, want %q", strict, name, outcomes[name], outcome)
			}
		}
		if suite.Tests != len(check.Invariants())+4 || suite.Failures != failures || suite.Failures+suite.Skipped != 4 {
			t.Errorf("strict %t: %d tests, %d failures, %d skipped: %v", strict, suite.Tests, suite.Failures, suite.Skipped, outcomes)
		}
		if failed := r.Failed(); len(failed) != suite.Failures {
			t.Errorf("strict %t: the run fails for %v, the suite for %d", strict, failed, suite.Failures)
		}
	}
}

func TestNewPage(t *testing.T) {
	t.Parallel()
	took := 1234.5
	figures := struct {
		Took, Never *float64
		Share       float64
		Kinds       map[string]struct{ Served int }
	}{Took: &took, Share: 0.5}
	got, err := NewPage(`{{title "Lost %s" "eu"}}{{means "Nothing."}}{{summary "took" "%s of %s" (seconds .Took) (ms .Never)}}
		{{table "Shares" "what" "share" "served"}}{{note "Rough."}}
		{{row "all" (percent .Share)}}{{with .Kinds.none}}{{cells .Served}}{{end}}`, figures)
	want := Page{
		Title: "Lost eu", Means: "Nothing.", Summary: [][2]string{{"took", "1.2 s of –"}},
		Tables: []Table{{Title: "Shares", Note: "Rough.", Head: []string{"what", "share", "served"}, Rows: [][]string{{"all", "50 %", "0"}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, page := range []string{`{{title`, `{{title .Nothing}}`} {
		if _, err := NewPage(page, figures); err == nil || !strings.Contains(err.Error(), "report: page") {
			t.Errorf("%s: %v", page, err)
		}
	}
}

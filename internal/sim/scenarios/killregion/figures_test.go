package killregion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

var epoch = time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// drilled makes the evidence of a run of 100 s in which eu-west-1 is lost from 30 s to 70 s, its entry is
// withdrawn after 1.5 s, its callers' reads work again after 2 s and their orders after 6 s.
func drilled() evidence {
	e := evidence{catalog: regions.Default(), lost: "eu-west-1"}
	e.Evidence = scenario.Evidence{
		Load:    load.Config{Rate: 10, Duration: 100 * time.Second, Shoppers: 30, Hour: 12},
		Result:  load.Result{Began: epoch, Ended: epoch.Add(time.Hour), Arrivals: 1000, MaxStartDelay: 1200 * time.Microsecond},
		Changes: []internet.Change{{At: at(31.5), Region: "eu-west-1"}, {At: at(76), Region: "eu-west-1", Up: true}},
	}
	e.Facts.Orders = make([]check.Order, 600)
	e.fault.FaultReport = cluster.FaultReport{At: at(30), LeasesMoveAt: at(35.5), Processes: []string{"eu-west-1-edge"}}
	e.fault.Healed = at(70)
	catalog := e.catalog
	for i := range 200 {
		t := float64(i) / 2
		for _, home := range catalog.Names() {
			op := history.Op{
				Client: i, User: "usr", City: "Somewhere", Home: home, Nearest: home, Entry: home, Served: home, Attempt: 1,
				Intended: at(t), Invoked: at(t), Edge: 1200 * time.Microsecond, Outcome: history.OK,
			}
			lost := home == "eu-west-1" && t >= 30
			read := op
			read.Kind, read.Returned = history.Product, at(t+0.02)
			if lost && t < 32 {
				read.Outcome, read.Code, read.Edge = history.Info, history.Transport, 0
			}
			order := op
			order.Kind, order.Key, order.Order = history.PlaceOrder, fmt.Sprint(home, i), fmt.Sprint("ord-", home, i)
			order.Returned, order.Edge = at(t+0.1), 74*time.Millisecond
			if lost && t < 36 {
				order.Outcome, order.Code, order.Order = history.Fail, "unavailable", ""
			}
			away := op
			away.Kind, away.Nearest, away.Entry, away.Returned = history.GetCart, "us-east-1", "us-east-1", at(t+0.1)
			away.Edge = catalog.RTT("us-east-1", home) + 3*time.Millisecond
			e.Ops = append(e.Ops, read, order, away)
		}
	}
	return e
}

// reported is the whole report of a run, with what was violated besides.
func reported(t *testing.T, e evidence, violations ...check.Violation) report.Report {
	t.Helper()
	f := e.figures()
	v := scenario.Verdict{Violations: append([]check.Violation{}, violations...)}
	f.guard(&v)
	p, err := report.NewPage(page, f)
	if err != nil {
		t.Fatal(err)
	}
	if p.Charts, err = f.charts(); err != nil {
		t.Fatal(err)
	}
	return report.Report{
		Envelope: report.Envelope{
			SchemaVersion: "1", Scenario: "kill-region", Seed: 7, Commit: "0123abc", Command: "meridian-sim drill kill-region --seed 7", StartedAt: epoch,
			Machine: report.Machine{CPUs: 2, OS: "linux", Arch: "amd64", Go: "go1.26"}, Model: report.Model,
			Violations: v.Violations, Objectives: e.objectives(f),
		},
		Figures: f, Page: p, Invariants: check.Invariants(),
	}
}

func TestRecoveryIsSplit(t *testing.T) {
	t.Parallel()
	ms := func(f float64) *float64 { return &f }
	for _, tt := range []struct {
		name   string
		change func(*evidence)
		want   Recovery
	}{
		{"as it went", func(*evidence) {}, Recovery{ms(1500), ms(500), ms(4000), ms(2000), ms(6000)}},
		{"one failure of a sparse caller puts it off", func(e *evidence) { failAt(e, 38) }, Recovery{ms(1500), ms(7000), ms(0), ms(8500), ms(6000)}},
		{"a slow answer is no recovery", func(e *evidence) {
			for i := range e.Ops {
				if op := &e.Ops[i]; op.Home == "eu-west-1" && op.Kind == history.PlaceOrder && op.Intended.Equal(at(37)) {
					op.Returned = at(40)
				}
			}
		}, Recovery{ms(1500), ms(500), ms(5500), ms(2000), ms(7500)}},
		{"never", func(e *evidence) {
			for s := 32.0; s < 100; s += 5 {
				failAt(e, s)
			}
		}, Recovery{ms(1500), nil, nil, nil, ms(6000)}},
		{"not withdrawn", func(e *evidence) { e.Changes = nil }, Recovery{nil, nil, ms(4000), ms(2000), ms(6000)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := drilled()
			tt.change(&e)
			if diff := cmp.Diff(tt.want, e.figures().Recovery); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// failAt lets the catalog read of eu-west-1's callers fail that was sent at a second.
func failAt(e *evidence, second float64) {
	for i := range e.Ops {
		if op := &e.Ops[i]; op.Home == "eu-west-1" && op.Kind == history.Product && op.Intended.Equal(at(second)) {
			op.Outcome = history.Fail
		}
	}
}

func TestOneFailureOfAnotherRegionsCallerIsSeen(t *testing.T) {
	t.Parallel()
	e := drilled()
	f := e.figures()
	if got := *f.Others.MinWindowSuccessRatio; got != 1 || f.Others.Failed != 0 {
		t.Fatalf("a clean run: others' worst window is %v with %d failures", got, f.Others.Failed)
	}
	i := slices.IndexFunc(e.Ops, func(op history.Op) bool { return op.Home == "us-east-1" && op.Intended.Equal(at(60)) })
	e.Ops[i].Outcome = history.Info
	f = e.figures()
	if got := *f.Others.MinWindowSuccessRatio; got >= 0.999 || len(f.Others.Failures) != 1 {
		t.Errorf("with one failure: others' worst window is %v, failures %+v", got, f.Others.Failures)
	}
	for _, o := range e.objectives(f) {
		if o.Name == "others_min_success_ratio" && o.Met {
			t.Error("the objective is met all the same")
		}
	}
}

func TestGuardsAgainstVacuousRuns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*evidence)
		want   []string
	}{
		"a real run":      {func(*evidence) {}, nil},
		"nothing killed":  {func(e *evidence) { e.fault.Processes = nil }, []string{guardFaultBit}},
		"nobody noticed":  {func(e *evidence) { e.fault.At, e.fault.Healed = at(70), at(80) }, []string{guardFaultBit}},
		"hardly an order": {func(e *evidence) { e.Ops = e.Ops[:100] }, []string{guardFaultBit, guardEnoughOrders, guardEnoughOrders, guardEnoughOrders}},
		"no order after the fault": {func(e *evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool { return op.Kind == history.PlaceOrder && op.Intended.After(at(70)) })
		}, []string{guardEnoughOrders}},
		"slow generator": {func(e *evidence) { e.Result.Dropped = 1 }, []string{guardNoneDropped}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := drilled()
			tt.change(&e)
			if diff := cmp.Diff(tt.want, reported(t, e).Failed()); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGolden pins the schema. UPDATE_GOLDEN=1 rewrites the file.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := reported(t, drilled())
	f, _ := r.Figures.(Figures)
	f.Timeline = f.Timeline[:3]
	r.Figures = f
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), string(got)); diff != "" {
		t.Errorf("report.json changed (-want +got):\n%s", diff)
	}
}

// TestEveryFieldIsDocumented compares the schema's documentation with the fields that a report has.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "reference", "report-schema.md"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(reported(t, drilled()))
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "refusals") // keyed by reason
			for name, value := range v {
				if !strings.Contains(name, "-") && !bytes.Contains(doc, []byte("`"+name+"`")) {
					t.Errorf("%s is not documented", name)
				}
				walk(value)
			}
		case []any:
			if len(v) > 0 {
				walk(v[0])
			}
		}
	}
	walk(r)
}

func TestFilesAreWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "out")
	r := reported(t, drilled(), check.Violation{Invariant: check.CaptureOnce, Detail: "ord_eu1_<x> was captured 2 times", IDs: []string{"ord_eu1_<x>"}})
	var out bytes.Buffer
	if err := report.Publish(&out, dir, "report", r); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ord_eu1_&lt;x&gt;", "eu-west-1", "polyline", "capture-at-most-once", "withdrawn", "seed 7"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, external := range []string{"http://", "https://", "src="} {
		if strings.Contains(string(page), external) {
			t.Errorf("the page refers to %q: it must be self-contained", external)
		}
	}
	for _, want := range []string{"capture-at-most-once", "ord_eu1_<x>", "replay: meridian-sim drill kill-region --seed 7", "entry 1.50 s", filepath.Join(dir, "report.html")} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
}

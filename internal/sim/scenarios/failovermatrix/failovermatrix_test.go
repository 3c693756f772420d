package failovermatrix

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
)

func measured(t *testing.T, f *fake, flags ...string) (scenariotest.Result, Figures) {
	t.Helper()
	r := scenariotest.Play(t, f.scenario(), f.World, append(flags, "--region", string(eu))...)
	var figures Figures
	if r.JSON != nil {
		r.Figures(t, &figures)
	}
	return r, figures
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	f := newFake(noBug)
	r, figures := measured(t, f)
	if r.Err != nil || len(r.Violations) > 0 || len(figures.Rows) != len(faults()) {
		t.Fatalf("%v: %d rows, %v", r.Err, len(figures.Rows), r.Violations)
	}
	within := func(what string, got *float64, least, most time.Duration) {
		t.Helper()
		if got == nil || *got < history.Millis(least) || *got > history.Millis(most) {
			t.Errorf("%s: %s, not %s to %s", what, report.Millis(got), least, most)
		}
	}
	crash := figures.Rows[0]
	within("reads that prefer the region", crash.Alive.RecoveredMs, fakeRoute, fakeRoute+200*time.Millisecond)
	within("rows of the region", crash.Home.RecoveredMs, fakeLeases, fakeLeases+500*time.Millisecond)
	within("withdrawal", crash.WithdrawnMs, fakeEntry, fakeEntry)
	within("callers of the lost edge, from its withdrawal", crash.Entry.RecoveredMs, 0, 200*time.Millisecond)
	within("leases", crash.LeasesMs, fakeLeases, fakeLeases)
	if crash.Alive.During.Failed != 0 || crash.Entry.During.Failed != 0 || crash.Entry.Until.Failed < 10 {
		t.Errorf("failures: %+v, %+v", crash.Alive.During, crash.Entry)
	}
	if f.forgot != 2*(len(figures.Rows)-1) {
		t.Errorf("%d edges were started anew between the faults", f.forgot)
	}
	for _, row := range figures.Rows {
		if row.Once == 0 || row.Twice != 0 || row.Lost != 0 || row.Measured != 1 {
			t.Errorf("%s: %d asked, %d twice, %d lost, measured %d times", row.Fault, row.Once, row.Twice, row.Lost, row.Measured)
		}
	}
}

func TestBrokenPromisesAreFound(t *testing.T) {
	t.Parallel()
	for b, want := range map[bug][2]string{
		editsTwice:    {NotTwice, "the cart of"},
		ordersTwice:   {NotTwice, "key matrix-1-"},
		signsUpTwice:  {NotTwice, "the fresh address of"},
		forgetsOrders: {NotLost, "order ord"},
		toothless:     {FaultBit, "crash: the fault reached nothing"},
	} {
		r, figures := measured(t, newFake(b), "--faults="+faultCrash)
		if len(r.Violations) == 0 || r.Violations[0].Invariant != want[0] || !strings.HasPrefix(r.Violations[0].Detail, want[1]) || !errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%q is not found: %v: %v", want, r.Err, r.Violations)
			continue
		}
		if row := figures.Rows[0]; b != toothless && row.Twice+row.Lost == 0 {
			t.Errorf("%q is not counted: %+v", want, row)
		}
	}
}

func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	for want, flag := range map[string]string{
		"earthquake":         "--faults=earthquake",
		"not in the catalog": "--region=mars-1",
	} {
		if r := scenariotest.Play(t, Scenario(), nil, flag); r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("%s: %v", flag, r.Err)
		}
	}
}

func TestAnUnsteadyRegionIsNotMeasured(t *testing.T) {
	t.Parallel()
	f := newFake(noBug)
	s := f.scenario()
	steps := s.Steps
	s.Steps = func(r *scenario.Run) []scenario.Step {
		all := steps(r)
		lost := scenario.Step{Name: "lost already", Do: func(context.Context, *scenario.Run) error { f.lostAt = time.Now().Add(-time.Hour); return nil }}
		return []scenario.Step{all[0], lost, all[1]}
	}
	r := scenariotest.Play(t, s, f.World, "--region", string(eu))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "nothing can be measured") {
		t.Errorf("%v", r.Err)
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	// every 500 ms a request that takes 100 ms; x fails
	timeline := func(outcomes string) []history.Op {
		var out []history.Op
		for i, c := range outcomes {
			op := history.Op{Invoked: at(500 * i), Returned: at(500*i + 100), Outcome: history.OK}
			if c == 'x' {
				op.Outcome = history.Info
			}
			out = append(out, op)
		}
		return out
	}
	tests := []struct {
		name     string
		outcomes string
		from     int
		end      int
		want     time.Duration // -1: none
	}{
		{"nothing failed", "..........", 1000, 4600, 100 * time.Millisecond},
		{"failed for a while", "..xxx.........", 1000, 6600, 1600 * time.Millisecond},
		{"a success between failures does not count", "..x.xx........", 1000, 6600, 2100 * time.Millisecond},
		{"a failure before does not count", "x.........", 700, 4600, 400 * time.Millisecond},
		{"too short to tell", "..xxxxxxx...", 1000, 5600, -1},
		{"long enough without a further request", "..xxx...", 1000, 5000, 1600 * time.Millisecond},
		{"never", "..xxxxxxxxxx", 1000, 5600, -1},
		{"nobody asked", "..", 1000, 5600, -1},
	}
	for _, tt := range tests {
		got, ok := recovery(timeline(tt.outcomes), at(tt.from), at(tt.end))
		if ok != (tt.want >= 0) || ok && got != tt.want {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	l := newLedger("run")
	l.edits["ada"] = 3
	l.orders["k1"] = "o1"
	l.orders["k2"] = "" // its outcome is not known
	l.signUps = 1
	fine := kept{orders: map[string][]string{"k1": {"o1"}, "k2": {"o2"}}, carts: map[string]int64{"ada": 4}, names: map[string]int{"run-1": 1}}
	if diff := cmp.Diff(effects{asked: 6}, l.judge(fine, l.acknowledged()), cmp.AllowUnexported(effects{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	broken := kept{orders: map[string][]string{"k2": {"o2", "o3"}}, carts: map[string]int64{"ada": 5}, names: map[string]int{"run-1": 2}}
	if e := l.judge(broken, l.acknowledged()); len(e.repeats) != 3 || len(e.missing) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	f := Figures{Region: eu, Rows: []Row{{
		Fault: faultCrash, Bit: true, WithdrawnMs: new(1900.0), LeasesMs: new(5000.0), Once: 12,
		Alive: Figure{Seen: Seen{RecoveredMs: new(612.0), During: Tally{Asked: 100, Failed: 3, Repeatable: 2}}},
		Entry: Figure{Seen: Seen{RecoveredMs: new(1500.0)}},
	}}}
	v := f.verdict(effects{repeats: []string{"key k made 2 orders"}})
	var missed []string
	for _, o := range v.Objectives {
		if !o.Met {
			missed = append(missed, o.Name)
		}
	}
	if diff := cmp.Diff([]string{"crash.entry_lost", "crash.repeatable_failed"}, missed); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if len(v.Violations) != 1 || v.Violations[0].Invariant != NotTwice {
		t.Errorf("%v", v.Violations)
	}
	p, err := report.NewPage(page, f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.Print(&out, report.Report{Envelope: report.Envelope{Violations: v.Violations, Objectives: v.Objectives}, Page: p}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ROWS OF EU-WEST-1", "2 of 100", "0 of 12", "–", "VIOLATION nothing-twice: key k"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

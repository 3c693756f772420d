package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/regions"
)

func measured(t *testing.T, f *fake, faults ...string) Report {
	t.Helper()
	var r Report
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = run(t.Context(), Config{Seed: 1, Region: eu, Faults: faults}, f.world(), &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	f := newFake(noBug)
	r := measured(t, f)
	if len(r.Violations) > 0 || len(r.Rows) != len(faults()) {
		t.Fatalf("%d rows, %v", len(r.Rows), r.Violations)
	}
	within := func(what string, got *float64, least, most time.Duration) {
		t.Helper()
		if got == nil || *got < millis(least) || *got > millis(most) {
			t.Errorf("%s: %s ms, not %s to %s", what, number(got), least, most)
		}
	}
	crash := r.Rows[0]
	within("reads that prefer the region", crash.Alive.RecoveredMs, fakeRoute, fakeRoute+200*time.Millisecond)
	within("rows of the region", crash.Home.RecoveredMs, fakeLeases, fakeLeases+500*time.Millisecond)
	within("withdrawal", crash.WithdrawnMs, fakeEntry, fakeEntry)
	within("callers of the lost edge, from its withdrawal", crash.Entry.RecoveredMs, 0, 200*time.Millisecond)
	within("leases", crash.LeasesMs, fakeLeases, fakeLeases)
	if crash.Alive.During.Failed != 0 || crash.Entry.During.Failed != 0 || crash.Entry.Until.Failed < 10 {
		t.Errorf("failures: %+v, %+v", crash.Alive.During, crash.Entry)
	}
	if f.forgot != 2*(len(r.Rows)-1) {
		t.Errorf("%d edges were started anew between the faults", f.forgot)
	}
	for _, row := range r.Rows {
		if row.Once == 0 || row.Twice != 0 || row.Lost != 0 || row.Measured != 1 {
			t.Errorf("%s: %d asked, %d twice, %d lost, measured %d times", row.Fault, row.Once, row.Twice, row.Lost, row.Measured)
		}
	}
}

func TestBrokenPromisesAreFound(t *testing.T) {
	t.Parallel()
	for b, want := range map[bug]string{
		editsTwice:    "executed twice: the cart of",
		ordersTwice:   "executed twice: key matrix-1-",
		signsUpTwice:  "executed twice: the fresh address of",
		forgetsOrders: "lost: order",
		toothless:     "crash: the fault reached nothing",
	} {
		r := measured(t, newFake(b), faultCrash)
		if len(r.Violations) == 0 || !strings.HasPrefix(r.Violations[0], want) {
			t.Errorf("%q is not found: %v", want, r.Violations)
		}
		if row := r.Rows[0]; b != toothless && row.Twice+row.Lost == 0 {
			t.Errorf("%q is not counted: %+v", want, row)
		}
	}
}

func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]Config{
		"earthquake":         {Region: eu, Faults: []string{"earthquake"}},
		"not in the catalog": {Region: "mars-1"},
	} {
		if _, err := run(t.Context(), cfg, world{catalog: regions.Default()}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestAnUnsteadyRegionIsNotMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(noBug)
		f.lostAt = time.Now().Add(-time.Hour)
		_, err := run(context.Background(), Config{Region: eu, Faults: []string{faultCrash}}, f.world(), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "nothing can be measured") {
			t.Errorf("run = %v", err)
		}
	})
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	// every 500 ms a request that takes 100 ms; x fails
	timeline := func(outcomes string) []sample {
		var out []sample
		for i, c := range outcomes {
			out = append(out, sample{start: at(500 * i), end: at(500*i + 100), ok: c != 'x'})
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
	for range 3 {
		l.edit("ada")
	}
	l.order("k1")
	l.ordered("k1", "o1")
	l.order("k2") // its outcome is not known
	l.signUp()
	fine := kept{orders: map[string][]string{"k1": {"o1"}, "k2": {"o2"}}, carts: map[string]int64{"ada": 4}, names: map[string]int{"run-1": 1}}
	if diff := cmp.Diff(effects{asked: 6}, l.judge(fine, l.acknowledged()), cmp.AllowUnexported(effects{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	broken := kept{orders: map[string][]string{"k2": {"o2", "o3"}}, carts: map[string]int64{"ada": 5}, names: map[string]int{"run-1": 2}}
	if e := l.judge(broken, l.acknowledged()); len(e.repeats) != 3 || len(e.missing) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newReport(Config{Region: eu, Seed: 7})
	r.add(Row{
		Fault: faultCrash, Bit: true, WithdrawnMs: new(1900.0), LeasesMs: new(5000.0), Once: 12,
		Alive: Figure{RecoveredMs: new(612.0), During: Tally{Asked: 100, Failed: 3, Repeatable: 2}},
		Entry: Figure{RecoveredMs: new(1500.0)},
	})
	r.finish(effects{}, effects{repeats: []string{"key k made 2 orders"}})
	want := []string{"crash: entry lost: new requests succeed after 1500 ms, not 1000", "crash: entry lives: 2 repeatable requests failed, not 0"}
	if diff := cmp.Diff(want, r.Missed); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	if err := Print(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rows of eu-west-1", "2 of 100", "1 of 12", "–", "VIOLATION: executed twice: key k", "1 violations, 2 objectives missed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again, cmpopts.IgnoreUnexported(Row{})); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}

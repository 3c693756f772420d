package scenario_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

func fakeWorld(f *scenariotest.Fake) func(*scenario.Run) scenario.World {
	return func(*scenario.Run) scenario.World { return f.World(f) }
}

func TestANewScenarioIsOneFile(t *testing.T) {
	t.Parallel()
	r := scenariotest.Play(t, loseRedis(), fakeWorld(scenariotest.New("")), "--seed=7", "--target=eu-west-1/redis")
	if r.Err != nil || r.Scenario != "lose-redis" || r.Seed != 7 || r.SchemaVersion != "1" {
		t.Fatalf("%v: %+v\n%s", r.Err, r.Envelope, r.Printed)
	}
	var figures struct {
		Orders int `json:"orders_while_lost"`
	}
	if r.Figures(t, &figures); figures.Orders == 0 {
		t.Errorf("no order while the cache was lost: %s", r.JSON)
	}
	for what, text := range map[string]string{"terminal": r.Printed, "page": r.HTML} {
		for _, want := range []string{"ORDERS", "meridian-sim drill lose-redis --internet fast --rate 15 --seed 7 --shoppers 40 --stacks 2 --target eu-west-1/redis"} {
			if !strings.Contains(strings.ToUpper(text), strings.ToUpper(want)) {
				t.Errorf("the %s lacks %q:\n%s", what, want, text)
			}
		}
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal([]byte(r.JUnit), &suite); err != nil || suite.Failures != 0 || suite.Tests <= len(check.Invariants()) {
		t.Errorf("%v: %+v", err, suite)
	}
}

func TestAMissedObjectiveFailsAStrictRunOnly(t *testing.T) {
	t.Parallel()
	if r := scenariotest.Play(t, loseRedis(), fakeWorld(scenariotest.New("")), "--wanted=100000"); r.Err != nil || !strings.Contains(r.Printed, "MISSED") {
		t.Errorf("%v\n%s", r.Err, r.Printed)
	}
	r := scenariotest.Play(t, loseRedis(), fakeWorld(scenariotest.New("")), "--wanted=100000", "--strict")
	if !errors.Is(r.Err, scenario.ErrFailed) || !strings.Contains(r.Err.Error(), "objective orders_while_lost") {
		t.Errorf("%v", r.Err)
	}
}

func TestABrokenPromiseFailsTheRun(t *testing.T) {
	t.Parallel()
	r := scenariotest.Play(t, loseRedis(), fakeWorld(scenariotest.New("captures twice")))
	if !errors.Is(r.Err, scenario.ErrFailed) || !slices.Contains(r.Invariants(), check.CaptureOnce) || !strings.Contains(r.JUnit, "<failure") {
		t.Errorf("%v: %v", r.Err, r.Invariants())
	}
}

func TestAStepThatFailsEndsTheRun(t *testing.T) {
	t.Parallel()
	s := loseRedis()
	broken := errors.New("no such thing")
	s.Steps = func(*scenario.Run) []scenario.Step {
		return []scenario.Step{{Name: "impossible", At: time.Second, Do: func(context.Context, *scenario.Run) error { return broken }}}
	}
	undone := false
	world := func(r *scenario.Run) scenario.World {
		r.Defer(func() { undone = true })
		f := scenariotest.New("")
		return f.World(f)
	}
	if r := scenariotest.Play(t, s, world); !errors.Is(r.Err, broken) || !strings.Contains(r.Err.Error(), "lose-redis: impossible") || !undone {
		t.Errorf("%v; undone: %t", r.Err, undone)
	}
}

func TestWithoutLoadOnlyTheStepsHappen(t *testing.T) {
	t.Parallel()
	s := loseRedis()
	s.Load = scenario.Load{}
	s.Judge = func(context.Context, *scenario.Run, scenario.Evidence) (scenario.Verdict, error) {
		return scenario.Verdict{}, nil
	}
	var got []time.Duration
	note := func(_ context.Context, r *scenario.Run) error { got = append(got, time.Since(r.Began)); return nil }
	s.Steps = func(*scenario.Run) []scenario.Step {
		return []scenario.Step{{At: 2 * time.Second, Do: note}, {At: time.Second, Do: note}, {After: time.Second, Do: note}}
	}
	if r := scenariotest.Play(t, s, fakeWorld(scenariotest.New(""))); r.Err != nil {
		t.Fatal(r.Err)
	}
	if want := []time.Duration{2 * time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("the steps came at %v, want %v", got, want)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	alone := loseRedis()
	alone.Name = "measure"
	alone.Alone = true
	commands := scenario.Commands(nil, loseRedis(), alone)
	var out bytes.Buffer
	commands[0].SetOut(&out)
	commands[0].SetArgs([]string{"--list"})
	if err := commands[0].ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "COMMAND           TAKES  PROVES\ndrill lose-redis  1 min  Orders go on while a region's cache is lost\nmeasure           1 min  Orders go on while a region's cache is lost\n"
	if out.String() != want || len(commands) != 2 || commands[1].Name() != "measure" {
		t.Errorf("%s", out.String())
	}
}

func TestTheOneRegionIsACatalog(t *testing.T) {
	t.Parallel()
	catalog, err := regions.Parse(scenario.OneRegion())
	if err != nil || len(catalog.Names()) != 1 {
		t.Fatalf("%v, %v", catalog, err)
	}
	if plan, err := topology.New(catalog, 0, 2); err != nil || len(plan.Regions) != 1 {
		t.Errorf("%v, %v", plan, err)
	}
}

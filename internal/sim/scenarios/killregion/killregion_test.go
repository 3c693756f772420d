package killregion

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
	"github.com/meridian-commerce/meridian/regions"
)

// killed plays the drill for as short as it may be, with callers whose region is lost for five seconds.
func killed(t *testing.T, f *scenariotest.Fake, flags ...string) scenariotest.Result {
	t.Helper()
	world := func(*scenario.Run) scenario.World { return f.World(f) }
	return scenariotest.Play(t, Scenario(), world, append(flags, "--duration=78s", "--rate=15", "--shoppers=60")...)
}

func TestKillRegionOfASystemThatKeepsItsPromises(t *testing.T) {
	t.Parallel()
	r := killed(t, scenariotest.New(""))
	if r.Err != nil || len(r.Violations) > 0 {
		t.Errorf("%v: %v", r.Err, r.Violations)
	}
	for _, want := range []string{"signed up 60 of 60", "kill of", "healing", "settled", "replay: meridian-sim drill kill-region --duration 1m18s --internet fast --rate 15 --region "} {
		if !strings.Contains(r.Printed, want) {
			t.Errorf("the progress does not tell %q:\n%s", want, r.Printed)
		}
	}
	var loss Figures
	r.Figures(t, &loss)
	if len(loss.Faults) != 1 || !loss.Faults[0].Bit || loss.Faults[0].HealedMS == nil || !strings.Contains(r.Command, "--region "+string(loss.Faults[0].Region)) {
		t.Errorf("faults %+v of %s", loss.Faults, r.Command)
	}
	if loss.Recovery.EntryMS == nil || *loss.Recovery.EntryMS != float64(scenariotest.Withdrawal.Milliseconds()) {
		t.Errorf("entry withdrawn after %v, want %v", loss.Recovery.EntryMS, scenariotest.Withdrawal)
	}
	if ms := loss.Recovery.OrdersTotalMS; ms == nil || *ms < 3000 || *ms > 12000 {
		t.Errorf("orders recovered after %v ms, want soon after %v", ms, scenariotest.Outage)
	}
	if loss.Orders.Acknowledged < 100 || loss.Orders.Placed < loss.Orders.Acknowledged-20 {
		t.Errorf("orders: %+v", loss.Orders)
	}
	if ratio := loss.Others.MinWindowSuccessRatio; ratio == nil || *ratio != 1 {
		t.Errorf("others' worst window: %v", ratio)
	}
}

func TestKillRegionOfASystemThatBreaksOne(t *testing.T) {
	t.Parallel()
	r := killed(t, scenariotest.New(shoptest.CapturesTwice))
	if diff := cmp.Diff([]string{check.CaptureOnce}, r.Invariants()); diff != "" || !errors.Is(r.Err, scenario.ErrFailed) {
		t.Errorf("%v; violations (-want +got):\n%s", r.Err, diff)
	}
	if len(r.Violations) > 0 && len(r.Violations[0].IDs) == 0 {
		t.Error("it names no order")
	}
}

func TestWhatDoesNotSettleIsAViolation(t *testing.T) {
	t.Parallel()
	f := scenariotest.New("")
	f.Left = check.Unfinished{Events: 2}
	if r := killed(t, f); !slices.Equal(r.Invariants(), []string{check.Settles}) {
		t.Errorf("got %+v", r.Violations)
	}
}

func TestTheSeedDrawsEveryRegion(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for _, seed := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		r := scenariotest.Play(t, Scenario(), func(*scenario.Run) scenario.World { return scenario.World{} }, "--seed="+seed, "--shoppers=1")
		if r.Err == nil { // too few shoppers: all was drawn by then
			t.Fatal("a shopper for all cities is accepted")
		}
		for _, name := range regions.Default().Names() {
			drawn[string(name)] = drawn[string(name)] || strings.Contains(r.Printed, "lose "+string(name))
		}
	}
	for name, ok := range drawn {
		if !ok {
			t.Errorf("no seed draws %s", name)
		}
	}
}

func TestBadDrillsAreRefused(t *testing.T) {
	t.Parallel()
	for name, flag := range map[string]string{
		"too short":      "--duration=10s",
		"unknown region": "--region=moon-1",
		"unknown bug":    "--plant=gremlin",
		"bad offset":     "--net=999",
	} {
		r := scenariotest.Play(t, Scenario(), nil, flag)
		if r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%s was not refused: %v", name, r.Err)
		}
	}
}

package mutants

import (
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/attack"
)

// TestTheTableIsWhole: every invariant has a mistake that breaks it, every planted bug is run, and no row is for nothing.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	invariants := append(check.Invariants(), audit.Invariants()...)
	broken := map[string]bool{}
	run := map[string]bool{}
	for _, m := range table() {
		if run[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		run[m.name] = true
		isBug := slices.Contains(plant.Names(), m.name)
		if len(m.breaks) == 0 || isBug == (len(m.rows) > 0) || !isBug && !strings.HasPrefix(m.name, "rows-") {
			t.Errorf("%s breaks %v by a bug of the program: %v, and by rows: %v", m.name, m.breaks, isBug, m.rows)
		}
		for _, name := range m.breaks {
			broken[name] = true
			if !slices.Contains(invariants, name) {
				t.Errorf("%s is to break %s, which is no invariant", m.name, name)
			}
		}
	}
	inDrills := attack.Scenario().Plants // it takes an attack to see them
	for _, name := range plant.Names() {
		if run[name] == slices.Contains(inDrills, name) {
			t.Errorf("%s is planted here: %v", name, run[name])
		}
	}
	for _, name := range invariants {
		if !broken[name] {
			t.Errorf("nothing breaks the invariant %s", name)
		}
	}
}

func TestARotationRunsAll(t *testing.T) {
	t.Parallel()
	ran := map[string]bool{}
	for day := range len(table()) {
		chosen, err := suite{rotate: 4}.choose(day)
		if err != nil || len(chosen) != 4 {
			t.Fatalf("%d chosen, %v", len(chosen), err)
		}
		for _, m := range chosen {
			ran[m.name] = true
		}
	}
	if len(ran) != len(table())+1 || !ran[sound] {
		t.Errorf("%d of %d ran", len(ran), len(table())+1)
	}
}

func TestOneIsChosenByName(t *testing.T) {
	t.Parallel()
	if got, err := (suite{only: plant.StockKept}).choose(0); err != nil || len(got) != 1 || got[0].name != plant.StockKept {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := (suite{only: "gremlin"}).choose(0); err == nil {
		t.Error("a gremlin was chosen")
	}
}

func TestWhatCountsAsCaught(t *testing.T) {
	t.Parallel()
	m := mutant{breaks: []string{"a", "b"}}
	for want, r := range map[string]result{
		"":                {bit: 1, found: []string{"b", "c", "a"}},
		"one was silent":  {bit: 1, found: []string{"a"}},
		"it never bit":    {found: []string{"a", "b"}},
		"nothing noticed": {bit: 3},
	} {
		if r.caught(m) != (want == "") {
			t.Errorf("%q: caught is %v", want, r.caught(m))
		}
	}
}

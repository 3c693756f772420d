// Package scenarios holds every drill, each in a file or a folder of its own, and the registry that lists them. A new
// one is a file with a function that returns a scenario.Scenario, and a line here.
package scenarios

import (
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/attack"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/backuprestore"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/bench"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/failovermatrix"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/keyrotation"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/killregion"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/overload"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/rollingupgrade"
)

// All returns every scenario, each fresh: their flags are variables of their own.
func All() []scenario.Scenario {
	return []scenario.Scenario{
		killregion.Scenario(),
		failovermatrix.Scenario(),
		overload.Scenario(),
		attack.Scenario(),
		backuprestore.Scenario(),
		rollingupgrade.Scenario(),
		keyrotation.Scenario(),
		bench.Scenario(),
	}
}

// Package commands lists the commands of meridian-sim that other rooms than its command line hold, for the program
// and for the reference that is generated from it.
package commands

import (
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/mutants"
)

// All returns a fresh command each.
func All() []*cobra.Command {
	return append(scenario.Commands(scenario.Simulate, scenarios.All()...), load.Command(), mutants.Command(scenario.Simulate))
}

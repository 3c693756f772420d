// Package commands lists the commands of meridian-sim that other rooms than its command line hold, for the program
// and for the reference that is generated from it.
package commands

import (
	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/sim/bench"
	"github.com/meridian-commerce/meridian/internal/sim/drill"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/matrix"
	"github.com/meridian-commerce/meridian/internal/sim/overload"
	"github.com/meridian-commerce/meridian/internal/sim/restore"
	"github.com/meridian-commerce/meridian/internal/sim/upgrade"
)

// All returns a fresh command each.
func All() []*cobra.Command {
	drills := drill.Command()
	drills.AddCommand(matrix.Command(), overload.Command(), restore.Command(), upgrade.Command())
	return []*cobra.Command{load.Command(), bench.Command(), drills}
}

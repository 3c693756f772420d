package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// Which are the flags that say which simulation a command is about.
type Which struct {
	Net         int
	RegionsFile string
	Stacks      int
}

// Add gives a command the flags.
func (w *Which) Add(f *pflag.FlagSet) {
	f.IntVar(&w.Net, "net", 0, "offset of the simulation's network, 0 to 250: simulations with different ones run side by side")
	f.StringVar(&w.RegionsFile, "regions", "", "region catalog (YAML); default: the built-in three regions")
	f.IntVar(&w.Stacks, "stacks", 2, "stacks in each region, 1 to 9")
}

// Plan is the address plan that the flags ask for.
func (w *Which) Plan() (*topology.Plan, error) {
	catalog := regions.Default()
	if w.RegionsFile != "" {
		var err error
		if catalog, err = regions.Load(w.RegionsFile); err != nil {
			return nil, err
		}
	}
	return topology.New(catalog, w.Net, w.Stacks)
}

// Launch are the flags of a command that starts a simulation.
type Launch struct {
	Which
	StateDir string
	Seed     uint64
	Bin      string
}

// Add gives a command the flags.
func (l *Launch) Add(f *pflag.FlagSet) {
	l.Which.Add(f)
	f.StringVar(&l.StateDir, "state", "", "folder for data and logs; default: meridian/sim-NET in the user's state folder")
	f.Uint64Var(&l.Seed, "seed", 1, "seed of what the simulation draws")
	f.StringVar(&l.Bin, "bin", "", "folder of the meridian program; default: beside this program, then PATH")
}

// Options are the options of the simulation that the flags ask for. The caller sets Out.
func (l *Launch) Options() (cluster.Options, error) {
	plan, err := l.Plan()
	if err != nil {
		return cluster.Options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	o := cluster.Options{Plan: plan, RegionsFile: l.RegionsFile, Seed: l.Seed, StateDir: l.StateDir}
	if l.Bin != "" {
		o.Meridian = filepath.Join(l.Bin, "meridian")
		if _, err := os.Stat(o.Meridian); err != nil {
			return cluster.Options{}, fmt.Errorf("%w: --bin: %w", errUsage, err)
		}
	}
	return o, nil
}

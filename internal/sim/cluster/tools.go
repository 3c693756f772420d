package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
)

// ErrMissing says that programs which the simulation runs are not installed.
var ErrMissing = errors.New("cluster: the simulation needs programs that are not here")

// tools are the programs that the simulation runs, by path.
type tools struct{ consul, redis, meridian, simulator string }

// findTools finds every program, or says what is missing and what to do.
func findTools(o Options) (tools, error) {
	if runtime.GOOS != "linux" {
		return tools{}, fmt.Errorf("%w: it needs Linux, whose whole 127.0.0.0/8 is this machine; run it in a container or a virtual machine", ErrMissing)
	}
	var missing []string
	find := func(name, folder string) string {
		path, err := lookup(name, folder)
		if err != nil {
			missing = append(missing, name)
		}
		return path
	}
	t := tools{consul: find("consul", cacheBin()), redis: find("redis-server", "")}
	if _, err := postgres.Bin(); err != nil {
		missing = append(missing, "postgres (PostgreSQL 15 or newer)")
	}
	if len(missing) > 0 {
		return tools{}, fmt.Errorf("%w: %s. `make deps` installs them", ErrMissing, strings.Join(missing, ", "))
	}
	self, err := os.Executable()
	if err != nil {
		return tools{}, fmt.Errorf("cluster: this program's path: %w", err)
	}
	t.simulator = cmp.Or(o.Simulator, self)
	if !o.bare {
		t.meridian, err = o.Program()
	}
	return t, err
}

// Program is the meridian that a simulation runs: the one that the options name, or one beside this program or in PATH.
// Errors wrap ErrMissing where there is none.
func (o Options) Program() (string, error) {
	if o.Meridian != "" {
		return filepath.Abs(o.Meridian)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cluster: this program's path: %w", err)
	}
	program, err := lookup("meridian", filepath.Dir(self))
	if err != nil {
		return "", fmt.Errorf("%w: meridian, which is neither beside meridian-sim nor in PATH. `make build` builds both", ErrMissing)
	}
	return program, nil
}

// lookup finds a program in a folder, else in PATH.
func lookup(name, folder string) (string, error) {
	if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
		return path, nil
	}
	return exec.LookPath(name)
}

// cacheBin is where `make deps` puts what it builds.
func cacheBin() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "meridian", "bin")
}

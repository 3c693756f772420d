package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

// ErrStateInUse says that another simulation runs in the state folder.
var ErrStateInUse = errors.New("cluster: the state folder is in use")

// ErrForeignFolder says that a state folder holds what no simulation put there.
var ErrForeignFolder = errors.New("cluster: not a simulation's folder")

const (
	lockName    = "lock"
	journalName = "provider.journal" // the payment provider's
)

// stateDir is the folder of a simulation, locked while this process lives.
type stateDir struct {
	path string
	lock *os.File
}

// DefaultStateDir is where a simulation keeps its state unless told otherwise: in the user's state folder, and
// for root under /var/lib, because PostgreSQL does not run as root and could not enter root's own.
func DefaultStateDir(net int) (string, error) {
	name := filepath.Join("meridian", fmt.Sprintf("sim-%d", net))
	if base := os.Getenv("XDG_STATE_HOME"); base != "" {
		return filepath.Join(base, name), nil
	}
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib", name), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cluster: give a state folder: %w", err)
	}
	return filepath.Join(home, ".local", "state", name), nil
}

// openState locks the folder and removes what a former simulation left in it.
func openState(plan *topology.Plan, path string) (*stateDir, error) {
	ordinary, err := DefaultStateDir(plan.Net)
	if path = cmp.Or(path, ordinary); path == "" {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("cluster: state folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, fmt.Errorf("cluster: state folder: %w", err)
	}
	if err := refuseForeign(path); err != nil {
		return nil, err
	}
	s := &stateDir{path: path}
	if s.lock, err = acquire(filepath.Join(path, lockName)); err != nil {
		return nil, err
	}
	for _, name := range []string{"logs", "config", "consul", "keys", "postgres", journalName} {
		if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
			s.release()
			return nil, fmt.Errorf("cluster: remove former state: %w", err)
		}
	}
	return s, nil
}

// refuseForeign keeps a mistyped path from losing its files.
func refuseForeign(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("cluster: state folder: %w", err)
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == lockName }) {
		return fmt.Errorf("%w: %s holds other files; give an empty or a new one", ErrForeignFolder, path)
	}
	return nil
}

// acquire takes the lock, which the kernel gives back when this process ends however it ends.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cluster: lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(f) // who it is, is a courtesy
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s belongs to the running process %s; stop that one, or choose another --net or --state",
			ErrStateInUse, filepath.Dir(path), strings.TrimSpace(string(holder)))
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d (%s)\n", os.Getpid(), strings.Join(os.Args, " ")), 0o644); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cluster: lock: %w", err)
	}
	return f, nil
}

func (s *stateDir) release() {
	// Unlocked rather than closed alone: a process that is being started has a copy of the descriptor until it runs its
	// own program, and with it the lock.
	_ = syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN)
	_ = s.lock.Close()
}

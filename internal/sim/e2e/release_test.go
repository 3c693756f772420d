package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/backuprestore"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/rollingupgrade"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// drill plays a scenario by its command on a network of its own, and fails the test if the command does.
func drill(t *testing.T, s scenario.Scenario, flags ...string) {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	start := func(ctx context.Context, r *scenario.Run) (scenario.World, error) {
		r.Options.Simulator = filepath.Join(folder, "meridian-sim") // this program is a test
		return scenario.Simulate(ctx, r)
	}
	var progress bytes.Buffer
	c := scenario.Commands(start, s)[0]
	c.SilenceUsage = true
	c.SilenceErrors = true
	c.SetOut(&progress)
	c.SetArgs(append([]string{s.Name, "--net", strconv.Itoa(nettest.Network(t)), "--bin", folder, "--out", t.TempDir()}, flags...))
	err = c.ExecuteContext(t.Context())
	if errors.Is(err, cluster.ErrMissing) && os.Getenv(sqltest.RequireServers) == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	drill(t, backuprestore.Scenario(), "--calm=4s", "--archive=2s", "--rate=10", "--shoppers=16")
}

func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	drill(t, rollingupgrade.Scenario(), "--from", formerRelease(t), "--calm=3s", "--check=300ms", "--rollback=1", "--rate=6", "--shoppers=16")
}

// formerRelease returns the program of the commit before this one; where the history does not reach so far, that of
// this tree with another stamp, which shows that processes are replaced without a failed request, and nothing of
// two releases.
func formerRelease(t *testing.T) string {
	t.Helper()
	program, err := rollingupgrade.Program(t.Context(), root, "HEAD~1", t.Output())
	if err == nil {
		return program
	}
	if !errors.Is(err, rollingupgrade.ErrNoHistory) {
		t.Fatal(err)
	}
	t.Logf("%v: the former release is this tree with another stamp", err)
	program = filepath.Join(t.TempDir(), "meridian")
	if err := rollingupgrade.Build(t.Context(), root, "former", program); err != nil {
		t.Fatal(err)
	}
	return program
}

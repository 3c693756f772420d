package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/restore"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sim/upgrade"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

// drill runs a drill on a network of its own, and fails the test for each violation that it returns.
func drill(t *testing.T, run func(cluster.Options, *bytes.Buffer) ([]check.Violation, error)) {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := topology.New(regions.Default(), nettest.Network(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	found, err := run(cluster.Options{
		Plan: plan, Seed: 1, Meridian: filepath.Join(folder, "meridian"), Simulator: filepath.Join(folder, "meridian-sim"),
	}, &progress)
	if errors.Is(err, cluster.ErrMissing) && os.Getenv(sqltest.RequireServers) == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, v := range found {
		t.Errorf("%s: %s", v.Invariant, v.Detail)
	}
	if t.Failed() {
		t.Log(progress.String())
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	drill(t, func(o cluster.Options, out *bytes.Buffer) ([]check.Violation, error) {
		r, err := restore.Drill(t.Context(), restore.Config{
			Seed: 1, Losses: []cluster.DatabaseLoss{cluster.DropDatabase, cluster.LoseDisk},
			Calm: 4 * time.Second, Archive: 2 * time.Second, Rate: 10, Shoppers: 16,
		}, o, out)
		return r.Violations, err
	})
}

func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	former := formerRelease(t)
	drill(t, func(o cluster.Options, out *bytes.Buffer) ([]check.Violation, error) {
		r, err := upgrade.Drill(t.Context(), upgrade.Config{
			Seed: 1, From: former, To: o.Meridian, Calm: 3 * time.Second, Check: 300 * time.Millisecond, Rollback: 1, Rate: 6, Shoppers: 16,
		}, o, out)
		return r.Violations, err
	})
}

// formerRelease returns the program of the commit before this one; where the history does not reach so far, that of
// this tree with another stamp, which shows that processes are replaced without a failed request, and nothing of
// two releases.
func formerRelease(t *testing.T) string {
	t.Helper()
	program, err := upgrade.Program(t.Context(), root, "HEAD~1", t.Output())
	if err == nil {
		return program
	}
	if !errors.Is(err, upgrade.ErrNoHistory) {
		t.Fatal(err)
	}
	t.Logf("%v: the former release is this tree with another stamp", err)
	program = filepath.Join(t.TempDir(), "meridian")
	if err := upgrade.Build(t.Context(), root, "former", program); err != nil {
		t.Fatal(err)
	}
	return program
}

package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// programs writes programs for a script to find first, and returns its PATH. Each may use $CALLS to write to.
func programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nset -eu\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// script runs a script with programs of the test's own, and returns what they wrote to $CALLS, what it printed, and
// its error.
func script(t *testing.T, file string, fakes map[string]string, env []string, args ...string) (calls, printed string, err error) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "calls")
	env = append(env, "PATH="+programs(t, fakes), "CALLS="+log)
	printed, err = deploytest.Run(t.Context(), filepath.Dir(log), "env", append(append(env, "sh", file), args...)...)
	text, _ := os.ReadFile(log) // none: nothing was called
	return string(text), printed, err
}

// wan returns a copy of the sidecar's script that keeps its mark in a temporary folder.
func wan(t *testing.T) string {
	t.Helper()
	file := filepath.Join(deploytest.Copy(t, "deploy/docker/wan"), "deploy", "docker", "wan", "wan.sh")
	deploytest.Replace(t, file, "/run/wan/ready", filepath.Join(t.TempDir(), "ready"))
	return file
}

func TestSidecarDelaysWhatLeavesForOtherRegions(t *testing.T) {
	t.Parallel()
	file := wan(t)
	fakes := map[string]string{
		"ip":    `[ "$*" = "-o -4 route show 10.78.0.0/16" ] && echo "10.78.0.0/16 dev eth7 proto kernel scope link src 10.78.2.41 "`,
		"tc":    `echo "$*" >>"$CALLS"`,
		"sleep": `echo "sleep" >>"$CALLS"`,
	}
	if _, _, err := script(t, file, fakes, nil, "check"); err == nil {
		t.Error("it is ready before it began")
	}
	calls, printed, err := script(t, file, fakes, nil, "10.78.0.0/16", "10.78.1.0/24=35ms", "10.78.3.0/24=87.5ms")
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	want := `qdisc replace dev eth7 root handle 1: htb default 0
class add dev eth7 parent 1: classid 1:1 htb rate 1gbit burst 1m quantum 60000
qdisc add dev eth7 parent 1:1 netem delay 35ms limit 100000
filter add dev eth7 parent 1: protocol ip prio 1 u32 match ip dst 10.78.1.0/24 flowid 1:1
class add dev eth7 parent 1: classid 1:2 htb rate 1gbit burst 1m quantum 60000
qdisc add dev eth7 parent 1:2 netem delay 87.5ms limit 100000
filter add dev eth7 parent 1: protocol ip prio 1 u32 match ip dst 10.78.3.0/24 flowid 1:2
sleep
`
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	if _, printed, err := script(t, file, fakes, nil, "check"); err != nil {
		t.Errorf("it is not ready afterwards: %s", printed)
	}
}

func TestSidecarWithoutDelaysIsNotReady(t *testing.T) {
	t.Parallel()
	for name, fakes := range map[string]map[string]string{
		"no interface": {"ip": ``, "tc": ``, "sleep": ``},
		"no netem": {
			"ip": `echo "10.78.0.0/16 dev eth7 proto kernel"`, "sleep": ``,
			"tc": `case $* in *netem*) echo "Error: Specified qdisc kind is unknown." >&2; exit 2 ;; esac`,
		},
	} {
		file := wan(t)
		if _, printed, err := script(t, file, fakes, nil, "10.78.0.0/16", "10.78.1.0/24=35ms"); err == nil {
			t.Errorf("%s: it goes on: %s", name, printed)
		}
		if _, _, err := script(t, file, fakes, nil, "check"); err == nil {
			t.Errorf("%s: it is ready", name)
		}
	}
}

// cockroach is a cluster that does not answer at first, and then is made once.
const cockroach = `
echo "$*" >>"$CALLS"
case $* in
  init*)
    if [ -e made ]; then echo "ERROR: cluster has already been initialized" >&2; exit 1; fi
    if [ ! -e up ]; then touch up; echo "ERROR: dial tcp: connection refused" >&2; exit 1; fi
    touch made ;;
  sql*) [ -e made ] || exit 1 ;;
esac
`

func TestClusterIsMadeOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(deploytest.Root(t), "deploy", "compose", "cockroach-init.sh")
	dir := t.TempDir()
	fakes := map[string]string{"cockroach": "cd " + dir + cockroach, "sleep": ``}
	env := []string{"COCKROACH_HOST=us1-db-1:26257", "COCKROACH_LICENSE="}

	calls, printed, err := script(t, file, fakes, env)
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	const at = "--insecure --host=us1-db-1:26257"
	want := strings.Join([]string{
		"init " + at, "init " + at, "sql " + at + " --execute=SELECT 1",
		"sql " + at + " --execute=SET CLUSTER SETTING server.shutdown.initial_wait = '20s'",
		"sql " + at + " --execute=SET CLUSTER SETTING kv.closed_timestamp.lead_for_global_reads_override = '650ms'",
		"sql " + at + " --execute=CREATE DATABASE IF NOT EXISTS meridian", "sql " + at + " --execute=CREATE USER IF NOT EXISTS meridian", "",
	}, "\n")
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	env[1] = "COCKROACH_LICENSE=crl-0-xyz"
	if _, printed, err = script(t, file, fakes, env); err == nil || !strings.Contains(printed, "COCKROACH_ORGANIZATION") {
		t.Errorf("a license of nobody's: %v: %s", err, printed)
	}
	calls, printed, err = script(t, file, fakes, append(env, "COCKROACH_ORGANIZATION=Example"))
	const licensed = " --execute=SET CLUSTER SETTING cluster.organization = 'Example'\nsql " + at + " --execute=SET CLUSTER SETTING enterprise.license = 'crl-0-xyz'\n"
	if err != nil || strings.Count(calls, "init ") != 1 || !strings.Contains(calls, licensed) {
		t.Errorf("a second time: %v: %s%s", err, calls, printed)
	}
}

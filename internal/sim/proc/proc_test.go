package proc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/proc"
)

// Environment variables that make the test's binary a parent with one child, and a program that goes on
// printing without a child.
const (
	parentLog = "PROC_TEST_PARENT_LOG"
	ticker    = "PROC_TEST_TICKER"
)

func TestMain(m *testing.M) {
	if log := os.Getenv(parentLog); log != "" {
		beParent(log)
	}
	for os.Getenv(ticker) != "" {
		fmt.Println("tick")
		time.Sleep(5 * time.Millisecond)
	}
	os.Exit(m.Run())
}

func beParent(log string) {
	p, err := proc.New(nil).Start(proc.Spec{Name: "child", Path: "/bin/sleep", Args: []string{"300"}, Log: log})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	select {}
}

func shell(t *testing.T, name, script string) proc.Spec {
	t.Helper()
	return proc.Spec{
		Name: name, Path: "/bin/sh", Args: []string{"-c", script},
		Log: filepath.Join(t.TempDir(), name+".log"), Grace: 5 * time.Second,
	}
}

func supervisor(t *testing.T, onExit func(proc.State)) *proc.Supervisor {
	t.Helper()
	s := proc.New(onExit)
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func start(t *testing.T, s *proc.Supervisor, spec proc.Spec) *proc.Process {
	t.Helper()
	p, err := s.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("%s: not so after five minutes", what)
}

func TestChildDiesWithKilledParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentLog+"="+filepath.Join(t.TempDir(), "child.log"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	if !alive(child) {
		t.Fatal("the child does not run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	eventually(t, "the child is gone", func() bool { return !alive(child) || zombie(child) })
}

// zombie reports whether a process ended and only waits to be reaped by an adopter.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestUnexpectedExitIsReportedWithLog(t *testing.T) {
	t.Parallel()
	exits := make(chan proc.State, 1)
	s := supervisor(t, func(st proc.State) { exits <- st })
	start(t, s, shell(t, "broken", "echo cannot open the thing; exit 3"))
	st := <-exits
	if !st.Unexpected || st.Running || st.Exit != "exit status 3" || !strings.Contains(st.LogTail, "cannot open the thing") {
		t.Errorf("state = %+v", st)
	}
	if got := s.States(); len(got) != 1 || !got[0].Unexpected {
		t.Errorf("States() = %+v", got)
	}
}

func TestAwaitSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	s := supervisor(t, nil)
	never := errors.New("connection refused")
	probe := func(context.Context) error { return never }

	p := start(t, s, shell(t, "exits", "echo no such file; exit 1"))
	if err := p.Await(t.Context(), probe); !errors.Is(err, proc.ErrExited) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("Await of a process that exits = %v", err)
	}

	hangs := shell(t, "hangs", "echo still loading; exec sleep 60")
	p = start(t, s, hangs)
	eventually(t, "it said so", func() bool { return strings.Contains(proc.Tail(hangs.Log), "still loading") })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	probes := 0
	err := p.Await(ctx, func(ctx context.Context) error {
		if probes++; probes == 3 {
			cancel() // as when the time of whoever waits is over
		}
		return probe(ctx)
	})
	if !errors.Is(err, proc.ErrNotReady) || !errors.Is(err, never) || !strings.Contains(err.Error(), "still loading") {
		t.Errorf("Await of a process that hangs = %v", err)
	}
}

func TestStopAndKill(t *testing.T) {
	t.Parallel()
	reported := make(chan proc.State, 8)
	s := supervisor(t, func(st proc.State) { reported <- st })
	tests := []struct {
		name, script, exit string
		grace              time.Duration
		stop               func(*proc.Process)
	}{
		{"graceful", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", "exit status 0", time.Minute, func(p *proc.Process) { p.Stop(context.Background()) }},
		{"stubborn", "trap '' TERM; echo ready; while :; do sleep 0.01; done", "signal: killed", 50 * time.Millisecond, func(p *proc.Process) { p.Stop(context.Background()) }},
		{"killed", "echo ready; exec sleep 60", "signal: killed", time.Minute, (*proc.Process).Kill},
		{"paused", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", "exit status 0", time.Minute, func(p *proc.Process) {
			if err := p.Pause(); err != nil {
				t.Error(err)
			}
			p.Stop(context.Background())
		}},
	}
	for _, tt := range tests {
		spec := shell(t, tt.name, tt.script)
		spec.Grace = tt.grace
		p := start(t, s, spec)
		eventually(t, "ready", func() bool { return strings.Contains(proc.Tail(spec.Log), "ready") })
		tt.stop(p)
		if st := p.State(); st.Running || st.Exit != tt.exit || st.Unexpected {
			t.Errorf("%s: state = %+v", tt.name, st)
		}
	}
	select {
	case st := <-reported:
		t.Errorf("%s was reported as unexpected", st.Name)
	default:
	}
}

func TestPauseHoldsAndResumeContinues(t *testing.T) {
	t.Parallel()
	s := supervisor(t, nil)
	spec := proc.Spec{Name: "ticker", Path: os.Args[0], Env: []string{ticker + "=1"}, Log: filepath.Join(t.TempDir(), "ticker.log")}
	p := start(t, s, spec)
	size := func() int64 {
		info, err := os.Stat(spec.Log)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	eventually(t, "it ticks", func() bool { return size() > 0 })
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	stopped := func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		return err == nil && strings.Contains(string(stat), ") T ")
	}
	eventually(t, "the kernel calls it stopped", stopped)
	if st := p.State(); !st.Running || !st.Paused {
		t.Errorf("paused: %+v", st)
	}
	before := size()
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ticks again", func() bool { return size() > before })
}

func TestNamesAreReusedOnlyAfterAnEnd(t *testing.T) {
	t.Parallel()
	s := supervisor(t, nil)
	spec := shell(t, "one", "exec sleep 60")
	first := start(t, s, spec)
	if _, err := s.Start(spec); !errors.Is(err, proc.ErrRunning) {
		t.Errorf("second Start = %v", err)
	}
	first.Kill()
	second := start(t, s, spec)
	if got := s.Lookup("one"); got != second || s.Lookup("two").Running() {
		t.Error("Lookup does not return the latest run")
	}
	s.Close(t.Context())
	if alive(second.PID()) {
		t.Error("Close left it running")
	}
	if _, err := s.Start(spec); !errors.Is(err, proc.ErrClosed) {
		t.Errorf("Start after Close = %v", err)
	}
}

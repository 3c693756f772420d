package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	tailBytes     = 4096
	tailLines     = 15
	readyInterval = 25 * time.Millisecond
)

// ErrExited says that a process ended before it was ready.
var ErrExited = errors.New("proc: exited")

// ErrNotReady says that a process did not get ready in time.
var ErrNotReady = errors.New("proc: not ready in time")

// Process is one run of a program. It is safe for concurrent use.
type Process struct {
	spec    Spec
	cmd     *exec.Cmd
	started time.Time
	done    chan struct{} // closed once it is gone and reaped

	mu     sync.Mutex
	asked  bool // somebody stopped or killed it
	paused bool
	ended  time.Time
	exit   string
}

// State describes a process at one moment.
type State struct {
	Name       string    `json:"name"`
	PID        int       `json:"pid"`
	Running    bool      `json:"running"`
	Paused     bool      `json:"paused"`
	Unexpected bool      `json:"unexpected"` // it ended and nobody had asked for that
	Exit       string    `json:"exit"`       // how it ended, such as "signal: killed"
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	Log        string    `json:"log"`
	LogTail    string    `json:"log_tail"` // only of an unexpected end
}

// PID is the process id; it stays what it was after the process has ended.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// State describes the process now.
func (p *Process) State() State {
	running := p.Running()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{
		Name: p.spec.Name, PID: p.PID(), Running: running, Paused: running && p.paused, Exit: p.exit,
		Started: p.started, Ended: p.ended, Log: p.spec.Log, Unexpected: !running && !p.asked,
	}
	if s.Unexpected {
		s.LogTail = Tail(p.spec.Log)
	}
	return s
}

// Await returns once probe succeeds. Its error quotes the probe's last error and the end of the log when the
// process exits first (ErrExited) or ctx ends (ErrNotReady).
func (p *Process) Await(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	last := errors.New("never probed")
	for {
		select {
		case <-p.done:
			return fmt.Errorf("%w: %s (%s)%s", ErrExited, p.spec.Name, p.State().Exit, quoted(p.spec.Log))
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w%s", ErrNotReady, p.spec.Name, last, quoted(p.spec.Log))
		case <-tick.C:
		}
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := probe(once)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
	}
}

// Stop asks the process to end, kills it after its grace or when ctx ends, and waits until it is gone.
func (p *Process) Stop(ctx context.Context) {
	if p.spec.Grace > 0 {
		p.signal(cmp.Or(p.spec.StopWith, syscall.SIGTERM), true)
		p.signal(syscall.SIGCONT, true)
		grace := time.NewTimer(p.spec.Grace)
		defer grace.Stop()
		select {
		case <-p.done:
			return
		case <-grace.C:
		case <-ctx.Done():
		}
	}
	p.Kill()
}

// Kill sends SIGKILL to the process and its group, and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL, true)
	<-p.done
}

// Pause stops the process's clock (SIGSTOP): it holds its connections and answers nothing.
func (p *Process) Pause() error { return p.hold(syscall.SIGSTOP, true) }

// Resume lets a paused process continue.
func (p *Process) Resume() error { return p.hold(syscall.SIGCONT, false) }

func (p *Process) hold(s syscall.Signal, paused bool) error {
	if !p.Running() {
		return fmt.Errorf("%w: %s", ErrExited, p.spec.Name)
	}
	p.signal(s, false)
	p.mu.Lock()
	p.paused = paused
	p.mu.Unlock()
	return nil
}

// signal reaches the whole group; a process that is gone already is no error.
func (p *Process) signal(s syscall.Signal, asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended.IsZero() {
		return
	}
	p.asked = p.asked || asked
	_ = syscall.Kill(-p.PID(), s)
}

func (p *Process) wait(onExit func(State)) {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.ended = time.Now()
	p.exit = "exit status 0"
	if err != nil {
		p.exit = err.Error()
	}
	unexpected := !p.asked
	p.mu.Unlock()
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // what it may have left in its group
	close(p.done)
	if unexpected && onExit != nil {
		onExit(p.State())
	}
}

func quoted(log string) string {
	tail := Tail(log)
	if tail == "" {
		return "; its log " + log + " is empty"
	}
	return "; the end of " + log + ":\n" + tail
}

// Tail returns the last lines of a log, indented; empty when there is none.
func Tail(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()      // only read
	_, _ = f.Seek(-tailBytes, io.SeekEnd) // a shorter log is read from its beginning
	text, err := io.ReadAll(f)
	if err != nil || len(strings.TrimSpace(string(text))) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "    " + strings.Join(lines, "\n    ")
}

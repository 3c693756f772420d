// Package proc runs the simulation's child processes. Its guarantees: every child has its own log file and
// process group; none outlives this process, not even if it is killed by SIGKILL; an exit that nobody asked
// for is noticed at once and reported with the end of the child's log.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ErrClosed says that the supervisor was closed.
var ErrClosed = errors.New("proc: the supervisor is closed")

// ErrRunning says that a process of that name runs already.
var ErrRunning = errors.New("proc: already running")

// Spec says what to run.
type Spec struct {
	Name      string              // unique among the running processes of a supervisor
	Path      string              // the program
	Args      []string            // without the program's name
	Env       []string            // the whole environment; nil: this process's
	Dir       string              // working directory; empty: this process's
	Log       string              // file that standard output and error are appended to
	Grace     time.Duration       // how long a stop waits before SIGKILL; 0: SIGKILL at once
	StopWith  syscall.Signal      // asks for a stop; 0: SIGTERM
	DeathWith syscall.Signal      // what the kernel sends when this process dies; 0: SIGKILL
	User      *syscall.Credential // whom to run as; nil: this process's user
}

// Supervisor starts and watches processes. It is safe for concurrent use.
type Supervisor struct {
	onExit func(State)
	spawn  chan func()
	quit   chan struct{}

	mu        sync.Mutex
	closed    bool
	processes []*Process // the latest of each name, in the order of first start
}

// New returns a supervisor. onExit, if not nil, is called from its own goroutine for each exit that was not asked for.
func New(onExit func(State)) *Supervisor {
	s := &Supervisor{onExit: onExit, spawn: make(chan func()), quit: make(chan struct{})}
	go s.spawner()
	return s
}

// spawner starts every child from one thread that lives as long as the supervisor: the kernel ties a child's
// parent-death signal to the thread that forked it, not to the process.
func (s *Supervisor) spawner() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case start := <-s.spawn:
			start()
		case <-s.quit:
			return
		}
	}
}

// Start runs a process. It returns once the program executes; Await tells when it is ready.
func (s *Supervisor) Start(spec Spec) (*Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	at := s.index(spec.Name)
	if at >= 0 && s.processes[at].Running() {
		return nil, fmt.Errorf("%w: %s", ErrRunning, spec.Name)
	}
	p, err := s.launch(spec)
	if err != nil {
		return nil, fmt.Errorf("proc: start %s: %w", spec.Name, err)
	}
	if at >= 0 {
		s.processes[at] = p
	} else {
		s.processes = append(s.processes, p)
	}
	return p, nil
}

func (s *Supervisor) launch(spec Spec) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(spec.Log), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = spec.Env
	cmd.Dir = spec.Dir
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = attributes(spec)
	started := make(chan error)
	s.spawn <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	p := &Process{spec: spec, cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go p.wait(s.onExit)
	return p, nil
}

// Lookup returns the latest process of a name; nil, which does not run, if there was none.
func (s *Supervisor) Lookup(name string) *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.index(name); at >= 0 {
		return s.processes[at]
	}
	return nil
}

func (s *Supervisor) index(name string) int {
	return slices.IndexFunc(s.processes, func(p *Process) bool { return p.spec.Name == name })
}

// States describes the latest process of each name, in the order in which the names were first started.
func (s *Supervisor) States() []State {
	s.mu.Lock()
	all := slices.Clone(s.processes)
	s.mu.Unlock()
	states := make([]State, len(all))
	for i, p := range all {
		states[i] = p.State()
	}
	return states
}

// Stop stops the named processes at the same time and waits until they are gone.
func (s *Supervisor) Stop(ctx context.Context, names ...string) {
	var wg sync.WaitGroup
	for _, name := range names {
		if p := s.Lookup(name); p != nil {
			wg.Go(func() { p.Stop(ctx) })
		}
	}
	wg.Wait()
}

// Close stops whatever still runs, the latest first, and refuses to start more.
func (s *Supervisor) Close(ctx context.Context) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	all := slices.Clone(s.processes)
	s.mu.Unlock()
	slices.Reverse(all)
	for _, p := range all {
		p.Stop(ctx)
	}
	close(s.quit)
}

// Package sqltest gives tests a real PostgreSQL: one server for each test binary, on a Unix socket in a
// temporary folder, with a migrated template database that every test clones. Nothing of it outlives the tests.
package sqltest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
)

// RequireServers is the environment variable under which an absent server binary fails a test instead of
// skipping it; `make test` sets it.
const RequireServers = "MERIDIAN_REQUIRE_SERVERS"

const template = "meridian_template"

type server struct {
	socket string
	err    error
}

var (
	start      = sync.OnceValue(launch)
	serial     atomic.Int64
	statements localitylint.Recorder // of all tests of this binary
)

// URL returns a connection URL of a fresh database with the newest schema for the default regions. The test is
// skipped where PostgreSQL is not installed.
func URL(t testing.TB) string {
	t.Helper()
	return fresh(t, template)
}

// Empty is URL for a database in which nothing is yet.
func Empty(t testing.TB) string {
	t.Helper()
	return fresh(t, "template0")
}

func fresh(t testing.TB, from string) string {
	t.Helper()
	if _, err := bin("postgres"); err != nil {
		if os.Getenv(RequireServers) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := start()
	if s.err != nil {
		t.Fatal(s.err)
	}
	name := fmt.Sprintf("test_%d", serial.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE " + from); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// Open returns a pool on a fresh database; it is closed when the test ends. tracer may be nil.
func Open(t testing.TB, tracer pgx.QueryTracer) *sqldb.DB {
	t.Helper()
	tracers := []pgx.QueryTracer{&statements}
	if tracer != nil {
		tracers = append(tracers, tracer)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: URL(t), MaxConns: 8, Tracer: multitracer.New(tracers...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Main runs a package's tests and stops the server after them; call it from TestMain. For each folder given
// (its own: ".") every SQL statement in the folder's code must have run on a pool of Open, and have stayed in one
// region; else the run fails.
func Main(m *testing.M, folders ...string) {
	code := m.Run()
	if code == 0 && len(folders) > 0 && statements.Statements() != nil {
		if err := lint(folders); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			code = 1
		}
	}
	if file := os.Getenv("SQL_FILE"); file != "" && code == 0 {
		if err := keep(file); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			code = 1
		}
	}
	for _, stop := range stops.all() {
		stop()
	}
	os.Exit(code)
}

func (s server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", database, s.socket)
}

func (s server) exec(sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("sqltest: connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("sqltest: %s: %w", sql, err)
	}
	return nil
}

func launch() server {
	folder, err := os.MkdirTemp("", "meridian-sql-")
	if err != nil {
		return server{err: err}
	}
	s := server{socket: folder}
	stops.add(func() { _ = os.RemoveAll(folder) })
	who, err := unprivileged(folder)
	if err != nil {
		return server{err: err}
	}
	data := filepath.Join(folder, "data")
	if s.err = provide(who, data); s.err != nil {
		return s
	}
	stop, err := s.serve(who, data)
	if err != nil {
		return server{err: err}
	}
	stops.add(func() { _ = stop(syscall.SIGQUIT) })
	return s
}

// serve starts the server and waits until it answers. The returned function ends it by a signal.
func (s server) serve(who *syscall.Credential, data string) (stop func(syscall.Signal) error, err error) {
	postgres, err := bin("postgres")
	if err != nil {
		return nil, err
	}
	var log bytes.Buffer
	cmd := command(who, postgres, "-D", data, "-k", s.socket, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB", "-c", "max_connections=200")
	cmd.Stdout = &log
	cmd.Stderr = &log
	started := make(chan error, 1)
	ended := make(chan struct{})
	go func() { // the parent-death signal is tied to the thread that starts the child, so that thread must live on
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("sqltest: start postgres: %w", err)
	}
	stop = func(by syscall.Signal) error {
		err := cmd.Process.Signal(by)
		<-ended
		return err
	}
	for ; ; time.Sleep(20 * time.Millisecond) { // on a busy machine it takes its time: only its own end ends the wait
		if err = s.exec("SELECT 1"); err == nil {
			return stop, nil
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("sqltest: postgres ended: %s", log.String())
		default:
		}
	}
}

// command prepares a child that dies with this process.
func command(who *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	return cmd
}

// unprivileged gives the folder to the postgres account when the test runs as root, as which PostgreSQL refuses to run.
func unprivileged(folder string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	who, err := account("postgres")
	if err != nil {
		return nil, err
	}
	if err := os.Chown(folder, int(who.Uid), int(who.Gid)); err != nil {
		return nil, fmt.Errorf("sqltest: %w", err)
	}
	return who, nil
}

// bin finds a PostgreSQL program on PATH or where Debian keeps the newest one.
func bin(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1], nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("sqltest: PostgreSQL's %s is not installed; run `make deps`", strings.TrimSpace(name))
}

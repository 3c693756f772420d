// Package postgres runs a private PostgreSQL server as a supervised process, tuned for a simulation: quick,
// small, and with no promise that data survives the machine. Roles sign in with a password that only the
// server's folder holds, so other users of the machine stay out.
package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sim/proc"
)

// ErrNotInstalled says that no PostgreSQL server was found.
var ErrNotInstalled = errors.New("postgres: PostgreSQL 15 or newer is not installed (initdb and postgres are neither in PATH nor under /usr/lib/postgresql)")

// ErrUnreachable says that the server's data would lie in a folder that the server's user may not enter.
var ErrUnreachable = errors.New("postgres: the server does not run as root, and user")

const (
	superuser = "postgres" // the name of the server's first role
	stopGrace = 5 * time.Second
)

// Config says where the server lives.
type Config struct {
	Dir     string // holds its data; made if absent; what a former server left in it is removed
	Log     string
	Addr    string // host:port to listen on
	Include string // a file in the data directory whose settings apply, if it exists; empty: none

	// Archive is how long the write-ahead log waits at most to be copied into the archive beside the data, without
	// which the server cannot be backed up; at least a second. 0: no archive.
	Archive time.Duration
}

// Server is a running server. One goroutine at a time may back it up, lose it and restore it.
type Server struct {
	config     Config
	password   string
	bin        string              // the folder of the server's programs
	as         *syscall.Credential // nil: this process's user
	supervisor *proc.Supervisor
	process    *proc.Process
}

// Bin returns the folder that holds initdb and postgres.
func Bin() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		real, err := filepath.EvalSymlinks(path)
		if _, missing := exec.LookPath(filepath.Join(filepath.Dir(real), "initdb")); err == nil && missing == nil {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian keeps them, by version
	if err != nil || len(found) == 0 {
		return "", ErrNotInstalled
	}
	version := func(initdb string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb)))) // 0, such as of 9.6, is too old
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// Start makes a new data directory and runs a server on it. It returns when the server accepts connections.
func Start(ctx context.Context, s *proc.Supervisor, c Config) (*Server, error) {
	bin, err := Bin()
	if err != nil {
		return nil, err
	}
	as, err := runAs()
	if err != nil {
		return nil, err
	}
	if err := reachable(c.Dir, as); err != nil {
		return nil, err
	}
	server := &Server{config: c, password: rand.Text(), bin: bin, as: as, supervisor: s}
	if err := server.initialize(ctx); err != nil {
		return nil, err
	}
	return server, server.launch(ctx)
}

func (s *Server) data() string { return filepath.Join(s.config.Dir, "data") }

// launch runs the server on its data directory, with some more settings, and waits until it accepts connections.
func (s *Server) launch(ctx context.Context, settings ...string) error {
	if err := s.configure(settings); err != nil {
		return err
	}
	stop := syscall.SIGQUIT
	if s.config.Archive > 0 {
		stop = syscall.SIGINT // an orderly end, which archives the rest of the log
	}
	var err error
	s.process, err = s.supervisor.Start(proc.Spec{
		Name: "postgres", Path: filepath.Join(s.bin, "postgres"), Args: []string{"-D", s.data()}, Dir: s.config.Dir, Log: s.config.Log,
		User: s.as, Grace: stopGrace, StopWith: stop, DeathWith: syscall.SIGQUIT,
	})
	if err != nil {
		return err
	}
	return s.process.Await(ctx, func(ctx context.Context) error { return s.exec(ctx, "SELECT") })
}

func (s *Server) initialize(ctx context.Context) error {
	if err := os.MkdirAll(s.config.Dir, 0o711); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	secret := filepath.Join(s.config.Dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := errors.Join(s.own(secret), s.folder(s.data()), s.folder(s.archive()), s.folder(s.backups())); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.data(), "--username=" + superuser, "--pwfile=" + secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync",
	}
	if s.config.Archive > 0 {
		args = append(args, fmt.Sprintf("--wal-segsize=%d", segmentSize>>20))
	}
	if _, err := s.run(ctx, filepath.Join(s.bin, "initdb"), args...); err != nil {
		return err
	}
	access := "host all,replication all 127.0.0.0/8 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(access), 0o600); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// folder makes an empty folder of the server's user, in place of a former one.
func (s *Server) folder(path string) error {
	if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return s.own(path)
}

// own gives a file or folder to the server's user.
func (s *Server) own(path string) error {
	if s.as == nil {
		return nil
	}
	if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// run runs a program as the server's user, and returns what it printed.
func (s *Server) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.config.Dir
	cmd.Env = append(os.Environ(), "PGPASSWORD="+s.password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("postgres: %s: %w\n%s", filepath.Base(program), err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out, nil
}

// runAs returns whom the server runs as: PostgreSQL refuses to be root.
func runAs() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		var as syscall.Credential
		if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &as.Uid, &as.Gid); err == nil {
			return &as, nil
		}
	}
	return nil, errors.New("postgres: as root it needs a user postgres or nobody to run as; there is none")
}

// reachable reports a folder on the way to dir that the server's user may not enter.
func reachable(dir string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("postgres: %w", err)
		}
		if err == nil && info.Mode()&0o001 == 0 && !owns(info, as) {
			return fmt.Errorf("%w %d may not enter %s (mode %s)", ErrUnreachable, as.Uid, dir, info.Mode())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func owns(info os.FileInfo, as *syscall.Credential) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == as.Uid && info.Mode()&0o100 != 0
}

// configure writes what differs from initdb's defaults: all of it anew, because a backup has the targets of the restore
// before it, which would be in force again.
func (s *Server) configure(more []string) error {
	host, port, err := net.SplitHostPort(s.config.Addr)
	if err != nil {
		return fmt.Errorf("postgres: address: %w", err)
	}
	lines := append([]string{
		"listen_addresses = '" + host + "'", "port = " + port, "unix_socket_directories = ''",
		"max_connections = 400", "superuser_reserved_connections = 10", "shared_buffers = 64MB",
		// No data outlives the server, so nothing need reach the disk.
		"fsync = off", "full_page_writes = off", "synchronous_commit = off",
		"checkpoint_timeout = 30min", "max_wal_size = 512MB",
		"autovacuum_naptime = 20s", "jit = off", "max_parallel_workers_per_gather = 0",
		// Room for the locks of serializable transactions: running out of it merges them into false conflicts.
		"max_pred_locks_per_transaction = 256", "max_pred_locks_per_page = 16", "max_pred_locks_per_relation = 1024",
		"log_min_messages = warning", "log_timezone = UTC", "timezone = UTC",
	}, more...)
	if s.config.Include != "" {
		lines = append(lines, "include_if_exists = '"+s.config.Include+"'")
	}
	lines = append(lines, s.archiving()...)
	if err := os.WriteFile(filepath.Join(s.data(), "postgresql.auto.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// URL returns how the superuser reaches a database.
func (s *Server) URL(database string) string {
	return s.RoleURL(superuser, s.config.Addr, database, nil)
}

// RoleURL returns how a role that has the server's password reaches a database by way of an address.
func (s *Server) RoleURL(role, addr, database string, params url.Values) string {
	query := url.Values{"sslmode": {"disable"}}
	maps.Copy(query, params)
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, s.password), Host: addr, Path: "/" + database,
		RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20"),
	}
	return u.String()
}

// CreateRole creates a role that may sign in, with the server's password.
func (s *Server) CreateRole(ctx context.Context, role string) error {
	return s.exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", pgx.Identifier{role}.Sanitize(), s.password))
}

// CreateDatabase creates an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

func (s *Server) exec(ctx context.Context, sql string) error {
	return s.session(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// session lets the superuser do something.
func (s *Server) session(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	if err := do(conn); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

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
	bin        string // the folder of the server's programs
	as         *proc.User
	supervisor *proc.Supervisor
	process    *proc.Process
}

// Bin returns the folder that holds initdb and postgres.
func Bin() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && executable(filepath.Join(filepath.Dir(real), "initdb")) {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian keeps them, by version
	if err != nil || len(found) == 0 {
		return "", ErrNotInstalled
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	return filepath.Dir(found[0]), nil
}

func version(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
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
	if err := server.configure(); err != nil {
		return nil, err
	}
	return server, server.launch(ctx)
}

func (s *Server) data() string { return filepath.Join(s.config.Dir, "data") }

// launch runs the server on its data directory and waits until it accepts connections.
func (s *Server) launch(ctx context.Context) error {
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
	return s.process.Await(ctx, s.ping)
}

func (s *Server) initialize(ctx context.Context) error {
	data := s.data()
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("postgres: remove former data: %w", err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(data), 0o711), os.Mkdir(data, 0o700)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	secret := filepath.Join(filepath.Dir(data), "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := errors.Join(s.own(data), s.own(secret)); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + data, "--username=" + superuser, "--pwfile=" + secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync",
	}
	if s.config.Archive > 0 {
		args = append(args, fmt.Sprintf("--wal-segsize=%d", segmentSize>>20))
	}
	_, err := s.run(ctx, "initdb", args...)
	return err
}

// own gives a file or folder to the server's user.
func (s *Server) own(path string) error {
	if s.as == nil {
		return nil
	}
	if err := os.Chown(path, int(s.as.UID), int(s.as.GID)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// run runs one of the server's programs as the server's user, and returns what it printed.
func (s *Server) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	return s.runPath(ctx, filepath.Join(s.bin, program), args...)
}

func (s *Server) runPath(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.config.Dir
	cmd.Env = append(os.Environ(), "PGPASSWORD="+s.password)
	if s.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.as.UID, Gid: s.as.GID}}
	}
	var out, errOut bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("postgres: %s: %w\n%s", filepath.Base(program), err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out.Bytes(), nil
}

// runAs returns whom the server runs as: PostgreSQL refuses to be root.
func runAs() (*proc.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &proc.User{UID: uint32(uid), GID: uint32(gid)}, nil
		}
	}
	return nil, errors.New("postgres: as root it needs a user postgres or nobody to run as; there is none")
}

// reachable reports a folder on the way to dir that the server's user may not enter.
func reachable(dir string, as *proc.User) error {
	if as == nil {
		return nil
	}
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("postgres: %w", err)
		}
		if err == nil && info.Mode()&0o001 == 0 && !owns(info, as) {
			return fmt.Errorf("%w %d may not enter %s (mode %s)", ErrUnreachable, as.UID, dir, info.Mode())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func owns(info os.FileInfo, as *proc.User) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == as.UID && info.Mode()&0o100 != 0
}

// configure writes what differs from initdb's defaults.
func (s *Server) configure() error {
	data := s.data()
	host, port, err := net.SplitHostPort(s.config.Addr)
	if err != nil {
		return fmt.Errorf("postgres: address: %w", err)
	}
	lines := []string{
		"listen_addresses = '" + host + "'", "port = " + port, "unix_socket_directories = ''",
		"max_connections = 400", "superuser_reserved_connections = 10", "shared_buffers = 64MB",
		// No data outlives the server, so nothing need reach the disk.
		"fsync = off", "full_page_writes = off", "synchronous_commit = off",
		"checkpoint_timeout = 30min", "max_wal_size = 512MB",
		"autovacuum_naptime = 20s", "jit = off", "max_parallel_workers_per_gather = 0",
		// Room for the locks of serializable transactions: running out of it merges them into false conflicts.
		"max_pred_locks_per_transaction = 256", "max_pred_locks_per_page = 16", "max_pred_locks_per_relation = 1024",
		"log_min_messages = warning", "log_timezone = UTC", "timezone = UTC",
	}
	if s.config.Include != "" {
		lines = append(lines, "include_if_exists = '"+s.config.Include+"'")
	}
	archive, err := s.archiving()
	if err != nil {
		return err
	}
	lines = append(lines, archive...)
	return errors.Join(
		appendTo(filepath.Join(data, "postgresql.conf"), strings.Join(lines, "\n")+"\n"),
		appendTo(filepath.Join(data, "pg_hba.conf"), "host all,replication all 127.0.0.0/8 scram-sha-256\n"),
	)
}

func appendTo(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	_, err = f.WriteString(line)
	if err := errors.Join(err, f.Close()); err != nil {
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
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

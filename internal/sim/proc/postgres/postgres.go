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

// superuser is the name of the server's first role.
const superuser = "postgres"

// Config says where the server lives.
type Config struct {
	Dir     string // holds its data; made if absent; what a former server left in it is removed
	Log     string
	Addr    string // host:port to listen on
	Include string // a file in the data directory whose settings apply, if it exists; empty: none
}

// Server is a running server.
type Server struct {
	addr     string
	password string
	process  *proc.Process
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
	server := &Server{addr: c.Addr, password: rand.Text()}
	data := filepath.Join(c.Dir, "data")
	if err := server.initialize(ctx, bin, data, as); err != nil {
		return nil, err
	}
	if err := configure(c, data); err != nil {
		return nil, err
	}
	server.process, err = s.Start(proc.Spec{
		Name: "postgres", Path: filepath.Join(bin, "postgres"), Args: []string{"-D", data}, Dir: c.Dir, Log: c.Log, User: as,
		Grace: 5 * time.Second, StopWith: syscall.SIGQUIT, DeathWith: syscall.SIGQUIT,
	})
	if err != nil {
		return nil, err
	}
	return server, server.process.Await(ctx, server.ping)
}

func (s *Server) initialize(ctx context.Context, bin, data string, as *proc.User) error {
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
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username="+superuser,
		"--pwfile="+secret, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
	cmd.Dir = filepath.Dir(data)
	if as != nil {
		for _, path := range []string{data, secret} {
			if err := os.Chown(path, int(as.UID), int(as.GID)); err != nil {
				return fmt.Errorf("postgres: %w", err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.UID, Gid: as.GID}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgres: initdb: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
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
func configure(c Config, data string) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("postgres: address: %w", err)
	}
	lines := []string{
		"listen_addresses = '" + host + "'", "port = " + port, "unix_socket_directories = ''",
		"max_connections = 400", "superuser_reserved_connections = 10", "shared_buffers = 64MB",
		// No data outlives the server, so nothing need reach the disk.
		"fsync = off", "full_page_writes = off", "synchronous_commit = off", "wal_level = minimal", "max_wal_senders = 0",
		"checkpoint_timeout = 30min", "max_wal_size = 512MB",
		"autovacuum_naptime = 20s", "jit = off", "max_parallel_workers_per_gather = 0",
		// Room for the locks of serializable transactions: running out of it merges them into false conflicts.
		"max_pred_locks_per_transaction = 256", "max_pred_locks_per_page = 16", "max_pred_locks_per_relation = 1024",
		"log_min_messages = warning", "log_timezone = UTC", "timezone = UTC",
	}
	if c.Include != "" {
		lines = append(lines, "include_if_exists = '"+c.Include+"'")
	}
	return errors.Join(
		appendTo(filepath.Join(data, "postgresql.conf"), strings.Join(lines, "\n")+"\n"),
		appendTo(filepath.Join(data, "pg_hba.conf"), "host all all 127.0.0.0/8 scram-sha-256\n"),
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

// Process is the server's process.
func (s *Server) Process() *proc.Process { return s.process }

// URL returns how the superuser reaches a database.
func (s *Server) URL(database string) string { return s.RoleURL(superuser, s.addr, database, nil) }

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

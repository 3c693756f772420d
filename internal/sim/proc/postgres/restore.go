package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// ErrNoDrop says that the log has no DROP DATABASE.
var ErrNoDrop = errors.New("postgres: the log has no DROP DATABASE")

// orphanPatience is how long the children of a killed server may take to notice.
const orphanPatience = 10 * time.Second

// Drop drops a database whoever uses it, and stops the server in order, so that all of its log is archived.
func (s *Server) Drop(ctx context.Context, name string) error {
	if err := s.exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return err
	}
	s.process.Stop(ctx)
	if exit := s.process.State().Exit; exit != "exit status 0" {
		return fmt.Errorf("postgres: the server did not stop in order: %s", exit)
	}
	return nil
}

// Lose ends the server with SIGKILL and deletes its data, as the loss of the machine would. The archive and the
// backups stay.
func (s *Server) Lose(ctx context.Context) error {
	s.process.Kill()
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	for inhabited(s.data()) {
		if err := clock.Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("postgres: children of the killed server live on: %w", err)
		}
	}
	if err := os.RemoveAll(s.data()); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// inhabited reports whether a process works in a folder, as each process of a server does in its data.
func inhabited(dir string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is well formed
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == dir {
			return true
		}
	}
	return false
}

// Restore makes the server's data what it was: from a base backup, and from the archived log up to and including
// the record at until, or to its end when that is 0. It returns when the server accepts connections again, which it
// does on a new timeline.
func (s *Server) Restore(ctx context.Context, b Backup, until LSN) error {
	if err := s.folder(s.data()); err != nil {
		return err
	}
	if _, err := s.run(ctx, "cp", "-a", b.Dir+"/.", s.data()); err != nil {
		return err
	}
	signal := filepath.Join(s.data(), "recovery.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), s.own(signal)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	from := strings.ReplaceAll(s.archive(), "%", "%%")
	recovery := []string{
		"restore_command = " + quote(fmt.Sprintf(`cp "%s/%%f" "%%p"`, from)),
		"recovery_target_timeline = 'latest'", "recovery_target_action = 'promote'",
		"hot_standby = off", // nobody reads before all is there
	}
	if until > 0 {
		recovery = append(recovery, "recovery_target_lsn = "+quote(until.String()), "recovery_target_inclusive = on")
	}
	return s.launch(ctx, recovery...)
}

var (
	logRecord  = regexp.MustCompile(`^rmgr: (\S+)\s.*\blsn: ([0-9A-F]+/[0-9A-F]+), .*\bdesc: (\S+)(.*)$`)
	onDatabase = regexp.MustCompile(`\brel 1664/0/1262\b`) // pg_database, where a new cluster keeps it
)

// BeforeDrop finds the last COMMIT in the archived log before the latest DROP DATABASE since a position: where to
// recover to. PostgreSQL marks a database as unusable before it drops it; that mark must not be recovered either.
func (s *Server) BeforeDrop(ctx context.Context, since LSN) (LSN, error) {
	segments, err := s.segments()
	if err != nil || len(segments) == 0 {
		return 0, errors.Join(ErrNoDrop, err)
	}
	newest := segments[len(segments)-1]
	text, err := s.run(ctx, filepath.Join(s.bin, "pg_waldump"), "--path="+s.archive(), fmt.Sprintf("--timeline=%d", newest.timeline),
		"--start="+since.String(), "--end="+newest.end.String())
	if err != nil {
		return 0, err
	}
	return beforeDrop(string(text))
}

func beforeDrop(dump string) (LSN, error) {
	var last, before, target LSN // the last COMMIT; the last before pg_database changed; the answer
	for line := range strings.Lines(dump) {
		m := logRecord.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		switch {
		case m[1] == "Transaction" && m[3] == "COMMIT":
			at, err := ParseLSN(m[2])
			if err != nil {
				return 0, err
			}
			last = at
		case m[1] == "Heap" && m[3] == "INPLACE" && onDatabase.MatchString(m[4]):
			before = last
		case m[1] == "Database" && m[3] == "DROP":
			if target = last; before > 0 {
				target = before
			}
		}
	}
	if target == 0 {
		return 0, ErrNoDrop
	}
	return target, nil
}

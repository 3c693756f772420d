package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotArchived says that a server was started without an archive.
var ErrNotArchived = errors.New("postgres: the server keeps no archive")

// segmentSize is how much of the log one file holds in a server that archives it, in bytes.
const segmentSize = 1 << 20

// LSN is a position in the write-ahead log, in bytes from its beginning.
type LSN uint64

// ParseLSN reads a position as PostgreSQL writes it, such as 0/16B3748.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("postgres: %q is no position in the log", text)
	}
	return LSN(h<<32 | l), nil
}

// String writes a position as PostgreSQL does.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint64(l)&0xffffffff) }

// Backup is a base backup: a copy of the data directory which, with the log from Start on, is a consistent one.
type Backup struct {
	Dir   string
	Start LSN
	Bytes int64
}

// archive is where the log is copied to, and backups the folder of the base backups: both beside the data.
func (s *Server) archive() string { return filepath.Join(s.config.Dir, "archive") }

func (s *Server) backups() string { return filepath.Join(s.config.Dir, "backups") }

// archiving makes the archive and returns the settings that fill it. The log is copied under another name first,
// because a copy that was cut off must not be taken for a whole one.
func (s *Server) archiving() ([]string, error) {
	if s.config.Archive <= 0 {
		return []string{"wal_level = minimal", "max_wal_senders = 0"}, nil
	}
	for _, dir := range []string{s.archive(), s.backups()} {
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return nil, fmt.Errorf("postgres: %w", err)
		}
		if err := s.own(dir); err != nil {
			return nil, err
		}
	}
	to := strings.ReplaceAll(s.archive(), "%", "%%")
	return []string{
		"wal_level = replica", "max_wal_senders = 4", "archive_mode = on",
		fmt.Sprintf("archive_timeout = %d", max(1, int(s.config.Archive.Seconds()))),
		"archive_command = " + quote(fmt.Sprintf(`test ! -f "%[1]s/%%f" && cp "%%p" "%[1]s/.%%f" && mv "%[1]s/.%%f" "%[1]s/%%f"`, to)),
	}, nil
}

// quote renders a value of a PostgreSQL configuration file.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

var backupStart = regexp.MustCompile(`(?m)^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) `)

// BackUp takes a base backup of the running server with pg_basebackup, under a name of its own, and has
// pg_verifybackup check it. Errors wrap ErrNotArchived for a server without an archive.
func (s *Server) BackUp(ctx context.Context, name string) (Backup, error) {
	if s.config.Archive <= 0 {
		return Backup{}, ErrNotArchived
	}
	b := Backup{Dir: filepath.Join(s.backups(), name)}
	_, err := s.run(ctx, "pg_basebackup", "--dbname="+s.RoleURL(superuser, s.config.Addr, "", nil), "--pgdata="+b.Dir,
		"--format=plain", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return b, err
	}
	if _, err := s.run(ctx, "pg_verifybackup", "--quiet", b.Dir); err != nil {
		return b, err
	}
	label, err := os.ReadFile(filepath.Join(b.Dir, "backup_label"))
	if err != nil {
		return b, fmt.Errorf("postgres: %w", err)
	}
	found := backupStart.FindSubmatch(label)
	if found == nil {
		return b, fmt.Errorf("postgres: the label of backup %s does not say where it starts", name)
	}
	if b.Start, err = ParseLSN(string(found[1])); err != nil {
		return b, err
	}
	b.Bytes, err = size(b.Dir)
	return b, err
}

func size(dir string) (int64, error) {
	total := int64(0)
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	return total, nil
}

// Archived returns the position up to which the log is in the archive.
func (s *Server) Archived() (LSN, error) {
	segments, err := s.segments()
	if err != nil || len(segments) == 0 {
		return 0, err
	}
	return segmentEnd(segments[len(segments)-1])
}

var segmentName = regexp.MustCompile(`^[0-9A-F]{24}$`)

// segments lists the archived files of the log, oldest first.
func (s *Server) segments() ([]string, error) {
	entries, err := os.ReadDir(s.archive()) // sorted by name, which is the log's order
	if err != nil {
		return nil, fmt.Errorf("postgres: archive: %w", err)
	}
	var out []string
	for _, e := range entries {
		if segmentName.MatchString(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// segmentEnd returns where a file of the log ends: its name is the timeline, then the position's upper half, then
// the number of the file within that.
func segmentEnd(name string) (LSN, error) {
	high, err := strconv.ParseUint(name[8:16], 16, 32)
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	number, err := strconv.ParseUint(name[16:], 16, 32)
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	return LSN(high<<32 + (number+1)*segmentSize), nil
}

// Forget removes the newest files of the archive, as a broken disk there would, and returns how many.
func (s *Server) Forget(from LSN) (int, error) {
	segments, err := s.segments()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range segments {
		end, err := segmentEnd(name)
		if err != nil {
			return n, err
		}
		if end <= from {
			continue
		}
		if err := os.Remove(filepath.Join(s.archive(), name)); err != nil {
			return n, fmt.Errorf("postgres: %w", err)
		}
		n++
	}
	return n, nil
}

// Position returns the timeline that the server writes and the position that its log has reached. A transaction
// whose COMMIT returned before the call is within it.
func (s *Server) Position(ctx context.Context) (timeline int64, at LSN, err error) {
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	var file, text string
	err = conn.QueryRow(ctx, `SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()::text`).Scan(&file, &text)
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	if at, err = ParseLSN(text); err != nil {
		return 0, 0, err
	}
	timeline, err = strconv.ParseInt(file[:8], 16, 64)
	return timeline, at, err
}

// Sample is a position that the log had reached at a moment: whatever was acknowledged before is within it.
type Sample struct {
	At  time.Time
	LSN LSN
}

// Follow notes the log's position every so often until ctx ends or the server is lost, and returns what it noted.
func (s *Server) Follow(ctx context.Context, every time.Duration) []Sample {
	var out []Sample
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		sample := Sample{At: time.Now()}
		var text string
		if conn.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&text) != nil {
			return out
		}
		if sample.LSN, err = ParseLSN(text); err != nil {
			return out
		}
		out = append(out, sample)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return out
		}
	}
}

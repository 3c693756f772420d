package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// ErrNotArchived says that a server was started without an archive.
var ErrNotArchived = errors.New("postgres: the server keeps no archive")

// segmentSize is how much of the log one file holds in a server that archives it, in bytes.
const segmentSize = 1 << 20

// LSN is a position in the write-ahead log, in bytes from its beginning.
type LSN uint64

// ParseLSN reads a position as PostgreSQL writes it, such as 0/16B3748.
func ParseLSN(text string) (LSN, error) {
	var high, low uint32
	if _, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil {
		return 0, fmt.Errorf("postgres: %q is no position in the log", text)
	}
	return LSN(high)<<32 | LSN(low), nil
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

// archiving returns the settings that fill the archive. The log is copied under another name first, because a copy
// that was cut off must not be taken for a whole one.
func (s *Server) archiving() []string {
	if s.config.Archive <= 0 {
		return []string{"wal_level = minimal", "max_wal_senders = 0"}
	}
	to := strings.ReplaceAll(s.archive(), "%", "%%")
	return []string{
		"wal_level = replica", "max_wal_senders = 4", "archive_mode = on",
		fmt.Sprintf("archive_timeout = %d", max(1, int(s.config.Archive.Seconds()))),
		"archive_command = " + quote(fmt.Sprintf(`test ! -f "%[1]s/%%f" && cp "%%p" "%[1]s/.%%f" && mv "%[1]s/.%%f" "%[1]s/%%f"`, to)),
	}
}

// quote renders a value of a PostgreSQL configuration file.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// BackUp takes a base backup of the running server with pg_basebackup, under a name of its own, and has
// pg_verifybackup check it. Errors wrap ErrNotArchived for a server without an archive.
func (s *Server) BackUp(ctx context.Context, name string) (Backup, error) {
	if s.config.Archive <= 0 {
		return Backup{}, ErrNotArchived
	}
	b := Backup{Dir: filepath.Join(s.backups(), name)}
	_, err := s.run(ctx, filepath.Join(s.bin, "pg_basebackup"), "--dbname="+s.RoleURL(superuser, s.config.Addr, "", nil), "--pgdata="+b.Dir,
		"--format=plain", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return b, err
	}
	if _, err := s.run(ctx, filepath.Join(s.bin, "pg_verifybackup"), "--quiet", b.Dir); err != nil {
		return b, err
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, "backup_manifest"))
	if err != nil {
		return b, fmt.Errorf("postgres: %w", err)
	}
	var manifest struct {
		Files []struct{ Size int64 }
		WAL   []struct {
			Start string `json:"Start-LSN"`
		} `json:"WAL-Ranges"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil || len(manifest.WAL) == 0 {
		return b, fmt.Errorf("postgres: the manifest of backup %s does not say where it starts: %w", name, err)
	}
	for _, f := range manifest.Files {
		b.Bytes += f.Size
	}
	b.Start, err = ParseLSN(manifest.WAL[0].Start)
	return b, err
}

// segment is a file of the log: its name is the timeline, the upper half of a position, and the number of the file
// within that.
type segment struct {
	name     string
	timeline uint32
	end      LSN
}

func parseSegment(name string) (segment, bool) {
	s := segment{name: name}
	var high, number LSN
	_, err := fmt.Sscanf(name, "%8X%8X%8X", &s.timeline, &high, &number)
	s.end = high<<32 + (number+1)*segmentSize
	return s, err == nil && len(name) == 24
}

// segments lists the archived files of the log, oldest first.
func (s *Server) segments() ([]segment, error) {
	entries, err := os.ReadDir(s.archive()) // sorted by name, which is the log's order
	if err != nil {
		return nil, fmt.Errorf("postgres: archive: %w", err)
	}
	var out []segment
	for _, e := range entries {
		if found, ok := parseSegment(e.Name()); ok {
			out = append(out, found)
		}
	}
	return out, nil
}

// Archived returns the position up to which the log is in the archive.
func (s *Server) Archived() (LSN, error) {
	segments, err := s.segments()
	if err != nil || len(segments) == 0 {
		return 0, err
	}
	return segments[len(segments)-1].end, nil
}

// Forget removes the newest files of the archive, as a broken disk there would, and returns how many.
func (s *Server) Forget(from LSN) (int, error) {
	segments, err := s.segments()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, segment := range segments {
		if segment.end <= from {
			continue
		}
		if err := os.Remove(filepath.Join(s.archive(), segment.name)); err != nil {
			return n, fmt.Errorf("postgres: %w", err)
		}
		n++
	}
	return n, nil
}

// Position returns the timeline that the server writes and the position that its log has reached. A transaction
// whose COMMIT returned before the call is within it.
func (s *Server) Position(ctx context.Context) (timeline int64, at LSN, err error) {
	err = s.session(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT ('x' || left(pg_walfile_name(at), 8))::bit(32)::bigint, (at - '0/0')::bigint
			FROM pg_current_wal_insert_lsn() AS at`).Scan(&timeline, &at)
	})
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
	_ = s.session(ctx, func(conn *pgx.Conn) error { // it ends with an error, as it should
		for {
			sample := Sample{At: time.Now()}
			if err := conn.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`).Scan(&sample.LSN); err != nil {
				return err
			}
			out = append(out, sample)
			if err := clock.Sleep(ctx, every); err != nil {
				return err
			}
		}
	})
	return out
}

package sqltest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// unused is how long a template that no test asked for is kept.
const unused = 48 * time.Hour

// provide puts a data directory with the migrated template database at data, for a server that runs as who. Making one
// takes seconds, and some thirty test binaries want the same; so it is made once for each state of the schema and what
// applies it, kept in the user's cache folder, and copied.
func provide(who *syscall.Credential, data string) error {
	kept, err := keptTemplate()
	if err != nil {
		return create(who, data) // without a cache folder, each binary makes its own
	}
	unlock, err := lock(kept + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(kept); err == nil {
		now := time.Now()
		return errors.Join(os.Chtimes(kept, now, now), copyTree(kept, data, who))
	}
	if err := create(who, data); err != nil {
		return err
	}
	prune(filepath.Dir(kept))
	// What was interrupted is no template: only a whole copy gets the name.
	partial := kept + ".partial"
	if err := errors.Join(os.RemoveAll(partial), copyTree(data, partial, nil)); err != nil {
		return err
	}
	if err := os.Rename(partial, kept); err != nil {
		return fmt.Errorf("sqltest: keep the template: %w", err)
	}
	return nil
}

// keptTemplate returns where the template is kept that is made by the present sources.
func keptTemplate() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("sqltest: %w", err)
	}
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", errors.New("sqltest: the sources are not known")
	}
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	postgres, err := bin("postgres")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, postgres)
	for _, folder := range []string{"migrations", "regions", "internal/sqldb", "internal/sqldb/sqltest"} {
		if err := hashFolder(sum, filepath.Join(root, filepath.FromSlash(folder))); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(cache, "meridian", "sqltest")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("sqltest: %w", err)
	}
	return filepath.Join(dir, hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// hashFolder adds a folder's own files, but for those that are tests.
func hashFolder(to io.Writer, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("sqltest: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("sqltest: %w", err)
		}
		_, _ = fmt.Fprintln(to, e.Name(), len(text))
		_, _ = to.Write(text)
	}
	return nil
}

// lock waits for a file's lock, which the kernel gives back when this process ends however it ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqltest: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("sqltest: lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// prune removes templates that nobody has asked for lately. Their lock files stay: another process may hold one.
func prune(dir string) {
	entries, _ := os.ReadDir(dir) // what cannot be read is not removed
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && time.Since(info.ModTime()) > unused {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// create makes a data directory, and the template database in it by a server that has stopped again.
func create(who *syscall.Credential, data string) error {
	initdb, err := bin("initdb")
	if err != nil {
		return err
	}
	// Small segments of the write-ahead log, because a template is copied whole.
	if out, err := command(who, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-N",
		"--wal-segsize=1").CombinedOutput(); err != nil {
		return fmt.Errorf("sqltest: initdb: %w: %s", err, out)
	}
	s := server{socket: filepath.Dir(data)}
	stop, err := s.serve(who, data)
	if err != nil {
		return err
	}
	return errors.Join(s.migrate(), stop(syscall.SIGINT))
}

func (s server) migrate() error {
	if err := s.exec("CREATE DATABASE " + template); err != nil {
		return err
	}
	return sqldb.Migrate(context.Background(), s.url(template), regions.Default(), "", slog.New(slog.DiscardHandler))
}

// copyTree copies a folder, whose copy belongs to who, or, if nil, to this user.
func copyTree(from, to string, who *syscall.Credential) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		if e.IsDir() {
			err = os.Mkdir(target, 0o700)
		} else {
			err = copyFile(path, target)
		}
		if err != nil || who == nil {
			return err
		}
		return os.Lchown(target, int(who.Uid), int(who.Gid))
	})
	if err != nil {
		return fmt.Errorf("sqltest: copy the template: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

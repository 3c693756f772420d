// Package filewatch takes up what was written to files, while a process runs: certificates that are renewed, a
// database that is replaced. It looks rather than listens, which works on every file system, mounted secrets and
// configuration maps among them.
//
// What it promises: files are read when they changed, and once for each change, good or bad; a reader that refuses
// what they hold is asked again only when they change again, and what was in use before stays so.
package filewatch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Every is how often files are looked at.
const Every = 10 * time.Second

// Files are files that are read together. They are safe for concurrent use.
type Files struct {
	paths []string
	read  func() error
	log   *slog.Logger

	mu   sync.Mutex
	seen []os.FileInfo // as they were when they were read last
}

// Open reads files for the first time. read takes all of them up, or none; it is called for one change at a time.
// Errors are those of read, or that a file is not there. log may be nil.
func Open(log *slog.Logger, read func() error, paths ...string) (*Files, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Files{paths: paths, read: read, log: log, seen: make([]os.FileInfo, len(paths))}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the files if one of them is not the one that was read last, good or bad, and reports whether what is
// in use changed.
func (f *Files) Reload() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := make([]os.FileInfo, len(f.paths))
	for i, path := range f.paths {
		if found[i], err = os.Stat(path); err != nil {
			return false, fmt.Errorf("filewatch: %w", err)
		}
		changed = changed || !same(f.seen[i], found[i])
	}
	if !changed {
		return false, nil
	}
	f.seen = found
	if err := f.read(); err != nil {
		return false, err
	}
	return true, nil
}

func same(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Watch reloads until ctx is done. What became of each change goes to the log.
func (f *Files) Watch(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch changed, err := f.Reload(); {
		case err != nil:
			f.log.WarnContext(ctx, "new files are not used", slog.Any("files", f.paths), slog.Any("error", err))
		case changed:
			f.log.InfoContext(ctx, "new files are in use", slog.Any("files", f.paths))
		}
	}
}

// Package filewatch takes up what was written to files, while a process runs: certificates that are renewed, a
// database that is replaced. It looks rather than listens, which works on every file system, mounted secrets and
// configuration maps among them.
//
// What it promises: files are read when they changed, and once for each change, good or bad; a reader that refuses
// what they hold is asked again only when they change again, and what was in use before stays so. That the two differ
// is in the log, and a metric for as long as it is so.
package filewatch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	bad  error         // of reading them then

	refused atomic.Pointer[error] // beside mu, for reading may take long and who asks does not
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
	changed, err = f.reload()
	refused := cmp.Or(err, f.bad)
	f.refused.Store(&refused)
	return changed, err
}

func (f *Files) reload() (changed bool, err error) {
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
	f.bad = f.read()
	return f.bad == nil, f.bad
}

// Refused returns why what the files hold is not in use, as of when they were looked at last; nil: it is.
func (f *Files) Refused() error { return *f.refused.Load() }

// Register registers the metric of files that are not in use, by the configuration key that names them and what says why,
// such as Refused. It fails where that key is registered already.
func Register(registry prometheus.Registerer, setting string, refused func() error) error {
	err := registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "meridian_files_refused", ConstLabels: prometheus.Labels{"setting": setting},
		Help: "1 while files that changed cannot be used, and those before stay in use, by the setting that names them.",
	}, func() float64 {
		if refused() != nil {
			return 1
		}
		return 0
	}))
	if err != nil {
		return fmt.Errorf("filewatch: register metrics: %w", err)
	}
	return nil
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

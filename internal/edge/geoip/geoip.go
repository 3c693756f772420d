// Package geoip finds the country of an address in a MaxMind DB file: a country or city database of MaxMind's
// own layout, or one with a plain country_code. The file is held in memory and swapped as a whole when it
// changes on disk; lookups never block and never see half of a file.
package geoip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// checkEvery is how often the file is looked at for a change.
const checkEvery = 10 * time.Second

// Database is an open file. It is safe for concurrent use.
type Database struct {
	path   string
	log    *slog.Logger
	reader atomic.Pointer[maxminddb.Reader]
	mu     sync.Mutex  // serializes Reload
	loaded os.FileInfo // mu
}

// Open reads a database file. logger may be nil.
func Open(path string, logger *slog.Logger) (*Database, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	d := &Database{path: path, log: logger}
	if _, err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// Country returns the country where the address is assigned: an ISO 3166-1 alpha-2 code.
func (d *Database) Country(addr netip.Addr) (string, bool) {
	result := d.reader.Load().Lookup(addr)
	if !result.Found() {
		return "", false
	}
	var code string
	if err := result.DecodePath(&code, "country", "iso_code"); err == nil && code != "" {
		return code, true
	}
	if err := result.DecodePath(&code, "country_code"); err == nil && code != "" {
		return code, true
	}
	return "", false
}

// Watch reads the file anew whenever it changed, until ctx is done; it returns nil then. A file that cannot be
// read or is no database is reported in the log, and the previous one stays in use. Watch is called once.
func (d *Database) Watch(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch changed, err := d.Reload(); {
		case err != nil:
			d.log.Warn("the new GeoIP database is not used", slog.Any("error", err))
		case changed:
			d.log.Info("GeoIP database replaced", slog.String("path", d.path))
		}
	}
}

// Reload reads the file if it is not the one that was read last, good or bad, as Watch does every ten seconds.
func (d *Database) Reload() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := os.Stat(d.path)
	if err != nil {
		return false, fmt.Errorf("geoip: %w", err)
	}
	if last := d.loaded; last != nil && os.SameFile(info, last) && info.Size() == last.Size() && info.ModTime().Equal(last.ModTime()) {
		return false, nil
	}
	content, err := os.ReadFile(d.path)
	if err != nil {
		return false, fmt.Errorf("geoip: %w", err)
	}
	d.loaded = info
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return false, fmt.Errorf("geoip: open %s: %w", d.path, err)
	}
	if reader.Metadata.NodeCount == 0 {
		return false, errors.New("geoip: the database holds no network")
	}
	d.reader.Store(reader)
	return true, nil
}

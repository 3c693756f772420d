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
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
)

// Database is an open file. It is safe for concurrent use.
type Database struct {
	path   string
	files  *filewatch.Files
	reader atomic.Pointer[maxminddb.Reader]
}

// Open reads a database file. logger may be nil.
func Open(path string, logger *slog.Logger) (*Database, error) {
	d := &Database{path: path}
	var err error
	if d.files, err = filewatch.Open(logger, d.read, path); err != nil {
		return nil, fmt.Errorf("geoip: %w", err)
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
	d.files.Watch(ctx)
	return nil
}

// Refused returns why the file is not in use as it is now; nil: it is.
func (d *Database) Refused() error { return d.files.Refused() }

// Reload reads the file if it is not the one that was read last, good or bad, as Watch does every ten seconds.
func (d *Database) Reload() (changed bool, err error) {
	if changed, err = d.files.Reload(); err != nil {
		return false, fmt.Errorf("geoip: %w", err)
	}
	return changed, nil
}

// read takes the file up.
func (d *Database) read() error {
	content, err := os.ReadFile(d.path)
	if err != nil {
		return err // it names the file, and callers name the operation
	}
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return fmt.Errorf("open %s: %w", d.path, err)
	}
	if reader.Metadata.NodeCount == 0 {
		return errors.New("the database holds no network")
	}
	d.reader.Store(reader)
	return nil
}

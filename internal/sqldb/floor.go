package sqldb

import (
	"context"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	fullEvery = time.Minute      // nothing that came in below the floor is found later than that
	margin    = 30 * time.Second // for rows that a transaction made due at its beginning, and committed so much later
)

// Floor is from when on looks at a queue of what is due have to read, region by region. What was taken stays in the index
// until it is collected, and lies before all that is to come: a look that began at the beginning would read over it each
// time. Once a minute a look does, so that nothing is missed. The zero Floor has seen nothing; it is safe for concurrent use.
type Floor struct {
	mu   sync.Mutex
	seen map[regions.Name]sight
}

type sight struct{ floor, full time.Time }

// Look asks whether anything of a region is due, and from when on who takes it has to read. The query of the region and the least due
// time returns the database's time and the answer: it is a plain read, as an idle region should not pay for a write and its quorum.
// Errors are *fault.Error.
func (f *Floor) Look(ctx context.Context, db *DB, query string, home regions.Name) (from time.Time, due bool, err error) {
	from = f.From(home)
	var at time.Time
	if err := db.QueryRow(ctx, query, string(home), from).Scan(&at, &due); err != nil {
		return from, false, Fault(err)
	}
	if !due {
		f.Empty(home, at)
	}
	return from, due, nil
}

// From returns the least due time that the next look at a region has to find.
func (f *Floor) From(home regions.Name) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen[home]
	if time.Since(s.full) < fullEvery {
		return s.floor
	}
	if f.seen == nil {
		f.seen = map[regions.Name]sight{}
	}
	f.seen[home] = sight{full: time.Now()}
	return time.Time{}
}

// Empty takes in that nothing was due at a time of the database's.
func (f *Floor) Empty(home regions.Name, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.seen[home]; ok {
		f.seen[home] = sight{at.Add(-margin), s.full}
	}
}

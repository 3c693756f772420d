package catalog

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Change is a change of a product that one region has not been notified of.
type Change struct {
	Handle  string
	Version int64     // of the product after its last change
	Since   time.Time // of the first change that the region has not been notified of
}

// Changes remembers for each region which changes it has not been notified of: those that Put made, in the same
// transaction, until the region says that it was notified. It is safe for concurrent use; errors are *fault.Error.
type Changes interface {
	// Pending returns up to limit changes that a region has not been notified of, the oldest first.
	Pending(ctx context.Context, region regions.Name, limit int) ([]Change, error)
	// Notified ends changes. One of a product that has changed again since stays.
	Notified(ctx context.Context, region regions.Name, changes []Change) error
}

package catalog

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Change is a change of a product that one region has not been told of.
type Change struct {
	Handle  string
	Version int64     // of the product after its last change
	Since   time.Time // of the first change that the region has not been told of
}

// Changes remembers for each region which changes it has not been told of: those that Put made, in the same
// transaction, until the region says that it was told. It is safe for concurrent use; errors are *fault.Error.
type Changes interface {
	// Untold returns up to limit changes that a region has not been told of, the oldest first.
	Untold(ctx context.Context, region regions.Name, limit int) ([]Change, error)
	// Told ends changes. One of a product that has changed again since stays.
	Told(ctx context.Context, region regions.Name, told []Change) error
}

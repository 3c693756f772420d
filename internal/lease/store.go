package lease

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Record is a lease as it was read. The zero Record is that of a lease that nobody ever held.
type Record struct {
	Holder    string        // <region>/<instance>
	ExpiresIn time.Duration // by the database's clock when it was read; not positive: expired for that long
	Version   time.Time     // identifies this state of the lease to Claim
}

// Store keeps the leases. It is safe for concurrent use, and its calls end when ctx does.
type Store interface {
	// Read returns the lease of a region; the zero Record if there is none.
	Read(ctx context.Context, home regions.Name) (Record, error)
	// Claim gives the lease to holder for ttl if it is still as seen, and reports whether it was.
	Claim(ctx context.Context, home regions.Name, seen Record, holder string, ttl time.Duration) (bool, error)
	// Renew extends the lease to ttl from now if holder still has it, and reports whether it had.
	Renew(ctx context.Context, home regions.Name, holder string, ttl time.Duration) (bool, error)
	// Release lets the lease expire now if holder still has it.
	Release(ctx context.Context, home regions.Name, holder string) error
}

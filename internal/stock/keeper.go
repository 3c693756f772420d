package stock

import (
	"context"

	"github.com/meridian-commerce/meridian/regions"
)

// Store keeps allotments and the journal of what changed them. It is safe for concurrent use.
type Store interface {
	// Change does what a checked request says, as its Apply decides, and writes the journal, in one transaction of all its regions.
	// What its key did before is returned instead, as its Repeats allows.
	Change(ctx context.Context, r Request) (Done, error)
	// Overview returns what every region has of a variant, as of one moment, and up to so many lines of the journal.
	Overview(ctx context.Context, variant string, lines int) (Overview, error)
}

// Done is what a request did.
type Done struct {
	Changes  []Change // one of each of its regions
	Replayed bool     // whether it was done before, under its key, and not again
}

// Overview is what there is of a variant.
type Overview struct {
	Levels  []Level  // one of each region, in the order of the regions
	Changes []Change // the last ones, the newest first
}

// Keeper changes stock by hand. It is safe for concurrent use, also beside orders and imports.
type Keeper struct {
	Store   Store
	Regions *regions.Set
}

// Change does what a request says, once: repeated under its key it changes nothing, and a key is known in the regions
// that it was used in. Where the outcome is unknown (fault.Ambiguous), repeat it. Errors: those of the request's Check, Apply and Repeats.
func (k Keeper) Change(ctx context.Context, r Request) (Done, error) {
	if err := r.Check(k.Regions); err != nil {
		return Done{}, err
	}
	return k.Store.Change(ctx, r)
}

// Overview returns what every region has of a variant, and the last lines of its journal.
func (k Keeper) Overview(ctx context.Context, variant string, lines int) (Overview, error) {
	return k.Store.Overview(ctx, variant, lines)
}

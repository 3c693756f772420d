package catalog

import (
	"context"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Named is a variant that a name may mean: its id, its SKU, or one that it had last.
type Named struct {
	ID, SKU   string
	Handle    string // of its product
	Title     string // of the variant in it
	Withdrawn bool
}

// Namer finds variants. It is safe for concurrent use.
type Namer interface {
	// Named returns the variants, withdrawn ones with them, that have a name for their id or SKU, or had it last.
	Named(ctx context.Context, name string) ([]Named, error)
}

// VariantNamed returns the variant whose id or SKU is name; isID says that it is an id, whichever others have it for a SKU. Errors:
// fault.NotFound (SKU_NOT_FOUND), fault.FailedPrecondition (SKU_AMBIGUOUS), which lists those that it may be.
func VariantNamed(ctx context.Context, from Namer, name string, isID bool) (Named, error) {
	found, err := from.Named(ctx, name)
	if err != nil {
		return Named{}, err
	}
	var ids, described []string
	for _, v := range found {
		if isID && v.ID == name {
			return v, nil
		}
		ids = append(ids, v.ID)
		described = append(described, v.ID+" (SKU "+v.SKU+" of product "+v.Handle+")")
	}
	switch {
	case len(found) == 0 || isID:
		return Named{}, fault.New(fault.NotFound, "SKU_NOT_FOUND", "there is no variant %.80q", name)
	case len(found) > 1:
		return Named{}, fault.New(fault.FailedPrecondition, "SKU_AMBIGUOUS", "%.80q may be any of these variants, say which by its id: %s", name, strings.Join(described, ", ")).
			With("ids", strings.Join(ids, " "))
	}
	return found[0], nil
}

package catalog

import (
	"context"

	"github.com/meridian-commerce/meridian/regions"
)

// Rank is a place among a region's products, of which those that were looked at most often come first.
type Rank struct {
	Views  int64
	Handle string
}

// Popular returns one page of the active products that callers of a region have looked at most, and the rank to
// continue after (nil at the end). Counts only grow, so a product that was listed is not listed again; one that
// overtakes the rank in the meantime is missed.
func (s *Service) Popular(ctx context.Context, region regions.Name, category string, after *Rank, size int) (page []Product, next *Rank, err error) {
	page, ranks, err := s.store.Popular(ctx, region, category, after, size+1)
	if err != nil || len(page) <= size {
		return page, nil, err
	}
	return page[:size], &ranks[size-1], nil
}

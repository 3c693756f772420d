package catalogsql

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/catalog"
)

// All implements catalog.Whole.
func (s *Store) All(ctx context.Context, after string, limit int) ([]catalog.Product, error) {
	return s.products(ctx, `SELECT `+columns+` FROM products WHERE handle > $1 ORDER BY handle LIMIT $2`, after, limit)
}

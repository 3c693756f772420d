package catalogsql

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/money"
)

// All implements catalog.Whole.
func (s *Store) All(ctx context.Context, after string, limit int) ([]catalog.Product, error) {
	return s.products(ctx, `SELECT `+columns+` FROM products WHERE handle > $1 ORDER BY handle LIMIT $2`, after, limit)
}

// Currencies returns those that anything is priced in, sorted.
func (s *Store) Currencies(ctx context.Context) ([]money.Currency, error) {
	rows, err := s.db.Query(ctx, `SELECT currency FROM prices GROUP BY currency ORDER BY currency`)
	if err != nil {
		return nil, fail(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[money.Currency])
	return all, fail(err)
}

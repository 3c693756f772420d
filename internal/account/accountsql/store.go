// Package accountsql keeps accounts in SQL.
package accountsql

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements account.Store.
type Store struct{ db *sqldb.DB }

// New returns a Store.
func New(db *sqldb.DB) *Store { return &Store{db} }

// Create implements account.Store.
func (s *Store) Create(ctx context.Context, emailHMAC []byte, others [][]byte, a account.Account, passwordHash string) error {
	return s.db.InTx(ctx, func(tx sqldb.Tx) error {
		var taken bool
		if len(others) > 0 { // of most addresses there is one form
			err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account_directory WHERE email_hmac = ANY ($1))`, others).Scan(&taken)
			if err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `INSERT INTO account_directory (email_hmac, user_id, home_region, created_at)
			VALUES ($1, $2, $3, $4) ON CONFLICT (email_hmac) DO NOTHING`, emailHMAC, a.ID, a.Home, a.CreatedAt)
		if err != nil {
			return err
		}
		if n == 0 || taken {
			return fault.New(fault.Exists, "EMAIL_TAKEN", "an account with this e-mail address exists; sign in instead")
		}
		batch := &sqldb.Batch{}
		batch.Queue(`INSERT INTO users (home_region, id, email, display_name, country, currency, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, a.Home, a.ID, a.Email, a.DisplayName, a.Country, a.Currency, a.CreatedAt)
		batch.Queue(`INSERT INTO credentials (home_region, user_id, password_hash, updated_at) VALUES ($1, $2, $3, $4)`,
			a.Home, a.ID, passwordHash, a.CreatedAt)
		return tx.Send(ctx, batch)
	})
}

// Locate implements account.Store.
func (s *Store) Locate(ctx context.Context, emailHMACs [][]byte) (home regions.Name, userID string, err error) {
	err = s.db.QueryRow(ctx, `SELECT home_region, user_id FROM account_directory WHERE email_hmac = ANY ($1)
		ORDER BY array_position($1, email_hmac) LIMIT 1`, emailHMACs).Scan(&home, &userID)
	return home, userID, notFound(err)
}

const find = `SELECT email, display_name, country, currency, created_at FROM users WHERE home_region = $1 AND id = $2`

func scan(row pgx.Row, a *account.Account) error {
	return row.Scan(&a.Email, &a.DisplayName, &a.Country, &a.Currency, &a.CreatedAt)
}

// Find implements account.Store.
func (s *Store) Find(ctx context.Context, home regions.Name, userID string) (account.Account, error) {
	a := account.Account{ID: userID, Home: home}
	err := scan(s.db.QueryRow(ctx, find, home, userID), &a)
	return a, notFound(err)
}

// SetCurrency implements account.Store.
func (s *Store) SetCurrency(ctx context.Context, home regions.Name, userID string, c money.Currency) (account.Account, error) {
	a := account.Account{ID: userID, Home: home}
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		if err := scan(tx.QueryRow(ctx, find+` FOR UPDATE`, home, userID), &a); err != nil {
			return err
		}
		if a.Currency == c {
			return nil
		}
		a.Currency = c
		batch := &sqldb.Batch{}
		batch.Queue(`UPDATE users SET currency = $3 WHERE home_region = $1 AND id = $2`, home, userID, c)
		// The cart says it too: whoever orders locks that row, and so sees a cart of before the change, or of after it.
		cartsql.QueueCurrency(batch, home, userID, c)
		return tx.Send(ctx, batch)
	})
	return a, notFound(err)
}

// PasswordHash implements account.Store.
func (s *Store) PasswordHash(ctx context.Context, home regions.Name, userID string) (hash string, err error) {
	err = s.db.QueryRow(ctx, `SELECT password_hash FROM credentials WHERE home_region = $1 AND user_id = $2`, home, userID).Scan(&hash)
	return hash, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return account.ErrNotFound
	}
	return sqldb.Fault(err)
}

// Package check judges a run: it compares what callers were told (a history) with what the system and the
// payment provider keep (facts), and reports every broken promise as a violation that names the invariant,
// what happened, and the ids it happened to.
package check

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/regions"
)

// Facts is what the system and the provider keep after a run.
type Facts struct {
	Orders   []Order
	Payments []Payment
}

// Order is a row of orders, in the order in which Collect reads its columns.
type Order struct {
	ID       string
	User     string
	Home     regions.Name
	Key      string // idempotency key
	State    string
	Version  int64
	Total    int64 // minor units
	Currency string
}

// Payment is what the provider keeps of a payment. Its ID is the payment's id here, too.
type Payment struct {
	ID       string    `json:"id"`
	Order    string    `json:"order_id"`
	State    string    `json:"state"`
	Amount   int64     `json:"amount_minor"`
	Currency string    `json:"currency"`
	Captures []Capture `json:"captures"`
}

// Capture is money taken.
type Capture struct {
	ID     string    `json:"id"`
	Amount int64     `json:"amount_minor"`
	At     time.Time `json:"at"`
}

// Collect reads the facts: orders from the database, payments from the provider's host:port.
func Collect(ctx context.Context, db *pgxpool.Pool, provider string) (Facts, error) {
	var f Facts
	rows, _ := db.Query(ctx, `SELECT id, user_id, home_region::text, idempotency_key, state, version, total_minor, currency FROM orders`) // the rows have its error, too
	var err error
	if f.Orders, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Order]); err != nil {
		return f, fmt.Errorf("check: read orders: %w", err)
	}
	slices.SortFunc(f.Orders, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
	f.Payments, err = payments(ctx, provider)
	return f, err
}

func payments(ctx context.Context, provider string) ([]Payment, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+provider+"/sandbox/payments", nil)
	if err != nil {
		return nil, fmt.Errorf("check: ask the provider: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("check: ask the provider: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body) // a courtesy
		return nil, fmt.Errorf("check: the provider answers %d: %.200s", resp.StatusCode, body)
	}
	var out []Payment
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, fmt.Errorf("check: understand the provider: %w", err)
	}
	return out, nil
}

// Unfinished counts what the system still has to do by itself: orders on their way to a final state,
// payments that are due for work, events that are not published or not taken yet.
type Unfinished struct{ Orders, Payments, Events int }

// None reports whether nothing is left to do.
func (u Unfinished) None() bool { return u == Unfinished{} }

// Pending reads what is unfinished.
func Pending(ctx context.Context, db *pgxpool.Pool) (Unfinished, error) {
	var u Unfinished
	err := db.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM orders WHERE state NOT IN ('fulfilled', 'canceled')),
		(SELECT count(*) FROM payments WHERE due_at IS NOT NULL),
		(SELECT count(*) FROM outbox WHERE due_at IS NOT NULL) + (SELECT count(*) FROM pending_deliveries p WHERE NOT EXISTS (
			SELECT 1 FROM inbox i WHERE i.home_region = p.home_region AND i.consumer = p.consumer AND i.event_id = p.event_id))`).Scan(&u.Orders, &u.Payments, &u.Events)
	if err != nil {
		return u, fmt.Errorf("check: read what is unfinished: %w", err)
	}
	return u, nil
}

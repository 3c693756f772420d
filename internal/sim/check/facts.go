// Package check judges a run: it compares what callers were told (a history) with what the system and the
// payment provider keep (facts), and reports every broken promise as a violation that names the invariant,
// what happened, and the ids it happened to.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/meridian-commerce/meridian/internal/sim/bus"
	"github.com/meridian-commerce/meridian/regions"
)

// Facts is what the system and the provider keep after a run. What is nil was not looked at, and is not judged.
type Facts struct {
	Orders   []Order
	Payments []Payment            // the provider's
	Kept     []Kept               // the system's own payments
	Events   []Event              // of the outbox
	Bus      map[string]bus.Event // by id
	BusSince time.Time            // what was published before may be lost, with a bus that was
	Arrived  map[string]int       // requests at stacks, by method
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
	Created  time.Time
	Lines    int64 // what the lines come to
	Listed   int64 // what they come to at the list's prices
}

// Kept is a row of payments, in the order in which Collect reads its columns.
type Kept struct {
	ID, Order, State string
	Amount           int64
	Currency         string
}

// Event is a row of the outbox, in the order in which Collect reads its columns.
type Event struct {
	ID, Order string
	Sequence  int64
	Type      string
	Payload   []byte
	Created   time.Time
	Published *time.Time // nil: it is not
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

// Sources are where facts are read. Addresses are host:port.
type Sources struct {
	DB       *pgxpool.Pool
	Provider string
	Buses    []string
	BusSince time.Time // since when all buses have lost nothing
	Stacks   []string  // where stacks have their metrics
}

// Collect reads the facts.
func Collect(ctx context.Context, from Sources) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db := from.DB
	f := Facts{Bus: map[string]bus.Event{}, BusSince: from.BusSince, Arrived: map[string]int{}}
	err := errors.Join(
		read(ctx, db, &f.Orders, `SELECT o.id, o.user_id, o.home_region::text, o.idempotency_key, o.state, o.version, o.total_minor, o.currency, o.created_at,
			coalesce(sum(l.quantity * l.unit_minor), 0)::bigint, coalesce(sum(l.quantity * p.minor), 0)::bigint
			FROM orders o LEFT JOIN order_lines l ON l.home_region = o.home_region AND l.order_id = o.id
			LEFT JOIN prices p ON p.sku = l.sku AND p.currency = o.currency GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY o.id`),
		read(ctx, db, &f.Kept, `SELECT id, order_id, state, amount_minor, currency FROM payments ORDER BY id`),
		read(ctx, db, &f.Events, `SELECT id, order_id, sequence, type, payload, created_at, published_at FROM outbox
			WHERE aggregate_type = 'order' ORDER BY order_id, sequence`))
	if err != nil {
		return f, err
	}
	for _, addr := range from.Buses {
		if err := bus.Read(ctx, addr, "meridian.orders", f.Bus); err != nil {
			return f, err
		}
	}
	for _, admin := range from.Stacks {
		if err := arrived(ctx, admin, f.Arrived); err != nil {
			return f, err
		}
	}
	err = get(ctx, "http://"+from.Provider+"/sandbox/payments", func(body io.Reader) error { return json.NewDecoder(body).Decode(&f.Payments) })
	return f, err
}

// arrived counts the calls that a stack has answered since it started, by method.
func arrived(ctx context.Context, admin string, into map[string]int) error {
	return get(ctx, "http://"+admin+"/metrics", func(body io.Reader) error {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(body)
		for _, series := range families["meridian_rpc_server_duration_seconds"].GetMetric() {
			for _, l := range series.GetLabel() {
				if l.GetName() == "method" {
					into[l.GetValue()] += int(series.GetHistogram().GetSampleCount())
				}
			}
		}
		return err
	})
}

// read appends to a list that is not nil, even if there are no rows.
func read[T any](ctx context.Context, db *pgxpool.Pool, into *[]T, sql string) error {
	rows, _ := db.Query(ctx, sql) // the rows have its error, too
	var err error
	if *into, err = pgx.AppendRows([]T{}, rows, pgx.RowToStructByPos[T]); err != nil {
		return fmt.Errorf("check: read what is kept: %w", err)
	}
	return nil
}

// get reads what a URL answers.
func get(ctx context.Context, url string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	req.Close = true // the process may be another one next time
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body) // a courtesy
		return fmt.Errorf("check: %s answers %d: %.200s", url, resp.StatusCode, body)
	}
	if err := read(resp.Body); err != nil {
		return fmt.Errorf("check: understand %s: %w", url, err)
	}
	return nil
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

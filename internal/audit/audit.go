// Package audit checks what must be true of the rows in the database, whatever crashed: orders, payments, events,
// stock and the ledger tell the same story. It reads all regions, in one snapshot, and changes nothing.
package audit

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// The invariants.
const (
	OneOrderPerKey      = "one-order-per-key"         // a user's idempotency key placed one order in its lifetime
	PaymentHasOrder     = "payment-has-order"         // a payment belongs to an order, and is for its total
	OrderAgreesPayment  = "order-agrees-with-payment" // an order is fulfilled where its payment is captured, and nowhere else; and so on
	OnePostingPerTaking = "one-posting-per-capture"   // a captured payment has one posting, of its amount; others have none
	RefundsWithin       = "refunds-within-capture"    // refunds, pending and made, are not above what was captured, and those made are in the ledger
	LedgerBalances      = "ledger-balances"           // each posting sums to zero in each currency, and so does the ledger
	StockConserved      = "stock-conserved"           // no count is negative; on hand, reserved and sold are what was allotted, and that is what came in; transfers come to nothing
	StockMatchesOrders  = "stock-matches-orders"      // reserved is what open orders want, sold what fulfilled ones got
	OneEventPerChange   = "one-event-per-change"      // an order of version n has the events 1 to n
	EventTakesEffect    = "event-takes-effect"        // an event is published, and taken by each consumer that is owed it, within the quiet time; a taken one had its effect
	NoOrphans           = "no-orphans"                // credentials have a user, order lines an order, ledger entries a payment
	TotalIsLines        = "total-is-sum-of-lines"     // an order costs what its lines and adjustments come to, and no line less than nothing
	RowsAtHome          = "rows-at-home"              // the ids of a row carry the code of the row's home region
)

const (
	maxIDs  = 50              // in a violation; its detail has the count
	shown   = 5               // findings that a violation's detail spells out
	timeout = 2 * time.Minute // of one statement

	attempts = 3           // to make an audit
	pause    = time.Second // before the second attempt; twice that before the third
)

// Violation is an invariant that does not hold.
type Violation struct {
	Invariant string   `json:"invariant"`
	Detail    string   `json:"detail"` // how many, and what is wrong with the first few
	IDs       []string `json:"ids"`    // of the rows at fault, at most 50
}

// Run checks every invariant and returns those that do not hold; none is good. An event may wait for its publishing
// or its effect for quietFor. It may run beside live traffic. An error means that the audit could not be made.
func Run(ctx context.Context, pool *pgxpool.Pool, c *regions.Set, quietFor time.Duration) ([]Violation, error) {
	engine, err := sqldb.EngineOf(ctx, pool)
	if err != nil {
		return nil, err
	}
	all, err := invariants(c, quietFor)
	if err != nil {
		return nil, err
	}
	return again(ctx, func() ([]Violation, error) { return snapshot(ctx, pool, engine, all) })
}

// again runs an audit until it was made: it only reads, so it may be repeated. A node that leaves, or a range whose
// lease moves, ends a long read now and then, and is no finding.
func again(ctx context.Context, run func() ([]Violation, error)) ([]Violation, error) {
	for attempt := 1; ; attempt++ {
		out, err := run()
		if !fault.Is(err, fault.Unavailable) || attempt == attempts {
			return out, err
		}
		if err := clock.Sleep(ctx, time.Duration(attempt)*pause); err != nil {
			return nil, err
		}
	}
}

// options begin the one snapshot of all invariants, or what moves meanwhile would look like something that is wrong. On
// CockroachDB it lies in the past: such a read takes no locks and waits for no writer, it cannot be made to start over by
// one, and the region's own replicas answer it.
func options(engine sqldb.Engine) pgx.TxOptions {
	if engine == sqldb.CockroachDB {
		return pgx.TxOptions{BeginQuery: "BEGIN TRANSACTION READ ONLY, AS OF SYSTEM TIME '-10s'"}
	}
	return pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
}

func snapshot(ctx context.Context, pool *pgxpool.Pool, engine sqldb.Engine, all []invariant) ([]Violation, error) {
	var out []Violation
	err := pgx.BeginTxFunc(ctx, pool, options(engine), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", timeout.Milliseconds())); err != nil {
			return err
		}
		for _, i := range all {
			rows, err := tx.Query(ctx, i.sql, i.args...)
			if err != nil {
				return fmt.Errorf("audit: %s: %w", i.name, err)
			}
			findings, err := pgx.CollectRows(rows, pgx.RowToStructByPos[finding])
			if err != nil {
				return fmt.Errorf("audit: %s: %w", i.name, err)
			}
			if len(findings) > 0 {
				out = append(out, violation(i.name, findings))
			}
		}
		return nil
	})
	return out, sqldb.Fault(err)
}

// finding is one row at fault: its id, and a sentence about it that begins with a verb.
type finding struct{ ID, What string }

func violation(invariant string, findings []finding) Violation {
	v := Violation{Invariant: invariant}
	seen := map[string]bool{}
	var texts []string
	for _, f := range findings {
		if len(texts) < shown {
			texts = append(texts, f.ID+" "+f.What)
		}
		if !seen[f.ID] && len(v.IDs) < maxIDs {
			// Bounded, since a mistake that is everywhere would fill the report with all rows.
			v.IDs = append(v.IDs, f.ID)
		}
		seen[f.ID] = true
	}
	v.Detail = fmt.Sprintf("%d: %s", len(seen), strings.Join(texts, "; "))
	if more := len(findings) - len(texts); more > 0 {
		v.Detail += fmt.Sprintf("; and %d more", more)
	}
	return v
}

// queries hold a statement for each invariant, in a file of its name, that returns a finding for each row at fault.
//
//go:embed queries/*.sql
var queries embed.FS

// Invariants lists the invariants, by name.
func Invariants() []string {
	files, _ := fs.Glob(queries, "queries/*.sql") // the pattern is well formed
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".sql")
	}
	return files
}

type invariant struct {
	name string
	sql  string
	args []any
}

// invariants returns all, in the order of their names. An error is that a statement cannot be read.
func invariants(c *regions.Set, quietFor time.Duration) ([]invariant, error) {
	var names, codes []string
	for _, r := range c.All() {
		names = append(names, string(r.Name))
		codes = append(codes, string(r.Code))
	}
	args := map[string][]any{EventTakesEffect: {quietFor}, RowsAtHome: {names, codes}}
	files, err := fs.Glob(queries, "queries/*.sql")
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var all []invariant
	for _, file := range files {
		sql, err := queries.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		name := strings.TrimSuffix(path.Base(file), ".sql")
		all = append(all, invariant{name, string(sql), args[name]})
	}
	return all, nil
}

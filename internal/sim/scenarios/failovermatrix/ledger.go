package failovermatrix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// ledger keeps what was asked for that must not be done twice. It is safe for concurrent use.
type ledger struct {
	run string // what every key and name begins with

	mu      sync.Mutex
	edits   map[string]int64  // cart changes asked for, by user
	orders  map[string]string // by key: the order's id once it was acknowledged, else ""
	clashes []string          // things that callers were told and that prove a repetition
	signUps int
}

func newLedger(run string) *ledger {
	return &ledger{run: run, edits: map[string]int64{}, orders: map[string]string{}}
}

// note has something noted.
func (l *ledger) note(what func(*ledger)) { l.mu.Lock(); defer l.mu.Unlock(); what(l) }

// kept is what the database keeps of what was asked for.
type kept struct {
	orders map[string][]string // ids by key
	carts  map[string]int64    // versions by user
	names  map[string]int      // accounts by display name
}

// effects is what became of what was asked for, so far.
type effects struct {
	asked   int      // for what must not be done twice
	repeats []string // what was done twice
	missing []string // what was acknowledged and is not there
}

// acknowledged returns the orders that callers know of, by key.
func (l *ledger) acknowledged() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.orders)
}

// judge compares what was asked for with what is kept, and what was acknowledged before that was read. Each
// user's cart was changed once before the count began.
func (l *ledger) judge(k kept, acknowledged map[string]string) effects {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := effects{asked: len(l.orders) + l.signUps, repeats: slices.Clone(l.clashes)}
	for key, ids := range k.orders {
		if len(ids) > 1 {
			e.repeats = append(e.repeats, fmt.Sprintf("key %s made %d orders: %v", key, len(ids), ids))
		}
	}
	for key, id := range acknowledged {
		ids := k.orders[key]
		if id != "" && !slices.Contains(ids, id) {
			e.missing = append(e.missing, fmt.Sprintf("order %s was acknowledged under key %s, which has %v", id, key, ids))
		}
	}
	for user, asked := range l.edits {
		e.asked += int(asked)
		if changes := k.carts[user] - 1; changes > asked {
			e.repeats = append(e.repeats, fmt.Sprintf("the cart of %s changed %d times, asked for %d", user, changes, asked))
		}
	}
	for name, n := range k.names {
		if n > 1 {
			e.repeats = append(e.repeats, fmt.Sprintf("%d accounts were opened for one sign-up of %s", n, name))
		}
	}
	slices.Sort(e.repeats)
	slices.Sort(e.missing)
	return e
}

// readEffects judges a ledger by the database.
func readEffects(ctx context.Context, r *scenario.Run, l *ledger) (effects, error) {
	// Callers go on meanwhile: an order is acknowledged after it is kept, a change kept after it was asked for.
	acknowledged := l.acknowledged()
	var users []string
	l.note(func(l *ledger) { users = slices.Sorted(maps.Keys(l.edits)) })
	k := kept{orders: map[string][]string{}, carts: map[string]int64{}, names: map[string]int{}}
	var name, id string
	var n int64
	for _, count := range []struct {
		sql  string
		of   any
		take func()
	}{
		{`SELECT user_id, '', version FROM carts WHERE user_id = ANY($1)`, users, func() { k.carts[name] = n }},
		{`SELECT idempotency_key, id, 1::bigint FROM orders WHERE starts_with(idempotency_key, $1)`, l.run, func() { k.orders[name] = append(k.orders[name], id) }},
		{`SELECT display_name, '', count(*) FROM users WHERE starts_with(display_name, $1) GROUP BY 1`, l.run, func() { k.names[name] = int(n) }},
	} {
		rows, _ := r.DB.Query(ctx, count.sql, count.of) // the rows have its error, too
		if _, err := pgx.ForEachRow(rows, []any{&name, &id, &n}, func() error { count.take(); return nil }); err != nil {
			return effects{}, fmt.Errorf("failover-matrix: count effects: %w", err)
		}
	}
	return l.judge(k, acknowledged), nil
}

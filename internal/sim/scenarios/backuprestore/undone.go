package backuprestore

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
)

// cut is one loss of the database and its return.
type cut struct {
	loss   cluster.DatabaseLoss
	backup struct {
		postgres.Backup
		began, ended time.Time
	}
	lost      time.Time // when the loss began
	gone      time.Time // from when on there was no database
	archived  postgres.LSN
	point     time.Time // whatever was acknowledged before is restored
	restoring time.Time
	open      time.Time // from when on the restored database serves
	timelines [2]int64  // before and after
}

// undid reports whether what was answered at a moment may have been undone.
func (c cut) undid(at time.Time) bool { return at.After(c.point) && at.Before(c.open) }

func undid(cuts []cut, at time.Time) bool {
	return slices.ContainsFunc(cuts, func(c cut) bool { return c.undid(at) })
}

// LostOrder is an order that was acknowledged and then undone by a restore.
type LostOrder struct {
	Order string    `json:"order"`
	User  string    `json:"user"`
	Key   string    `json:"key"`
	Total int64     `json:"total_minor"`
	At    time.Time `json:"acknowledged_at"`
	Again string    `json:"placed_again,omitempty"` // the order that the same key placed after the restore
}

// undone is what a restore took back, as callers knew it.
type undone struct {
	orders []LostOrder
	edits  int // of carts that were acknowledged after the point; some may have survived
}

// binding returns the history as it binds the restored system. What was answered between a restored point and the
// return of the database binds nobody: what callers read then may have been undone, an acknowledged change may be
// there or not, and an order that is not there is lost. Answers before a point bind in full: an order that was
// acknowledged then and is not there stays in the history, for the checker to find.
func binding(ops []history.Op, cuts []cut, orders []check.Order) ([]history.Op, undone) {
	exists := map[string]bool{}
	underKey := map[string]string{}
	for _, o := range orders {
		exists[o.ID] = true
		underKey[o.User+" "+o.Key] = o.ID
	}
	var u undone
	lost := map[string]bool{} // by user and key
	for _, op := range ops {
		key := op.User + " " + op.Key
		if op.Kind == history.PlaceOrder && op.Outcome == history.OK && undid(cuts, op.Returned) && !exists[op.Order] && !lost[key] {
			lost[key] = true
			u.orders = append(u.orders, LostOrder{
				Order: op.Order, User: op.User, Key: op.Key, Total: op.Total, At: op.Returned, Again: underKey[key],
			})
		}
	}
	var out []history.Op
	for _, op := range ops {
		window := op.Outcome == history.OK && undid(cuts, op.Returned)
		switch {
		case op.Kind == history.PlaceOrder && lost[op.User+" "+op.Key]:
			if op.Replay { // may have placed the order again
				continue
			}
			op.Outcome = history.Info
			op.Order = ""
			op.Items = nil
		case op.Kind == history.SetItem && window:
			u.edits++
			op.Outcome = history.Info
			op.Items = nil
		case window && (op.Kind == history.GetCart || op.Kind == history.GetOrder || op.Kind == history.WatchMessage):
			continue
		}
		out = append(out, op)
	}
	return out, u
}

// Orphan is a payment that the provider has and the restored database does not, because its order was lost: what
// was reserved is to be voided, what was captured to be refunded.
type Orphan struct {
	Payment  string `json:"payment"`
	Order    string `json:"order"`
	Amount   int64  `json:"amount_minor"`
	Currency string `json:"currency"`
	State    string `json:"state"` // at the provider
	Captured bool   `json:"captured"`
}

// Invariants of this drill, beside the checker's and the audit's.
const (
	PaymentKnown   = "payment-of-order-is-known"   // the provider has no payment of an existing order that the database does not have
	OrphanIsUndone = "orphan-payment-is-of-undone" // a payment without an order belongs to an order that was undone
	NotVacuous     = "drill-not-vacuous"           // the database was really lost and restored, under load
)

// reconcile compares the provider's payments with the database's. It returns the payments of undone orders, the
// rest, and what contradicts.
func reconcile(payments []check.Payment, orders []check.Order, known map[string]string, lost []LostOrder, unknown int) (orphans []Orphan, rest []check.Payment, found []check.Violation) {
	exists := map[string]bool{}
	undone := map[string]bool{}
	for _, o := range orders {
		exists[o.ID] = true
	}
	for _, o := range lost {
		undone[o.Order] = true
	}
	var twins, strays []string
	nameless := 0 // of orders that no caller was told of
	for _, p := range payments {
		if exists[p.Order] {
			if _, ok := known[p.ID]; !ok {
				twins = append(twins, p.ID)
			}
			rest = append(rest, p)
			continue
		}
		if !undone[p.Order] {
			if nameless++; nameless > unknown {
				strays = append(strays, p.ID)
			}
		}
		orphans = append(orphans, Orphan{p.ID, p.Order, p.Amount, p.Currency, p.State, len(p.Captures) > 0})
	}
	if len(twins) > 0 {
		found = append(found, check.Violation{Invariant: PaymentKnown, IDs: twins,
			Detail: "the provider has them for orders that exist, and the database has other payments: the order may be paid twice"})
	}
	if len(strays) > 0 {
		found = append(found, check.Violation{Invariant: OrphanIsUndone, IDs: strays,
			Detail: "the provider has them for orders that are not there and that nobody was told of in the time that was undone"})
	}
	return orphans, rest, found
}

// unknownPlacings counts the placings that began before the return of a database and whose outcome is unknown, or
// that were repeated after one was lost.
func unknownPlacings(ops []history.Op, cuts []cut) int {
	n := 0
	for _, op := range ops {
		if op.Kind == history.PlaceOrder && op.Outcome == history.Info && slices.ContainsFunc(cuts, func(c cut) bool {
			return op.Invoked.Before(c.open) && op.Returned.After(c.point)
		}) {
			n++
		}
	}
	return n
}

package backuprestore

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// fewest is how many orders must have been acknowledged in each part of the run for it to mean anything.
const fewest = 3

// Figures are what a drill came to. Times are milliseconds unless the name says otherwise.
type Figures struct {
	Losses       []Loss      `json:"losses"`
	Acknowledged int         `json:"orders_acknowledged"`
	Placed       int         `json:"orders_placed"` // rows at the end
	LostOrders   []LostOrder `json:"lost_orders"`
	LostEdits    int         `json:"undone_cart_edits"` // acknowledged after a point; some may have survived
	Orphans      []Orphan    `json:"orphan_payments"`
}

// Loss is one loss of the database, in milliseconds since the load began.
type Loss struct {
	Kind            cluster.DatabaseLoss `json:"kind"`
	BackupBytes     int64                `json:"backup_bytes"`
	BackupTook      float64              `json:"backup_took_ms"`
	DuringBackup    int                  `json:"orders_during_backup"`
	AfterBackup     int                  `json:"orders_from_log"` // acknowledged between the backup and the point
	At              float64              `json:"at_ms"`
	PointBefore     float64              `json:"point_before_ms"`      // how long before the loss the restored point is: the worst that could be lost
	LostFor         *float64             `json:"earliest_lost_ms"`     // how long before the loss the earliest lost order was acknowledged; null: none was lost
	ArchivedUntil   string               `json:"archived_until"`       // position in the log
	RestoreTook     float64              `json:"restore_took_ms"`      // from the decision to a database that serves
	OrdersAfter     *float64             `json:"orders_back_after_ms"` // from the loss to the first order that was acknowledged again
	FailedMeanwhile int                  `json:"failed_meanwhile"`     // requests that failed while there was no database
	Timelines       [2]int64             `json:"timelines"`            // of the log, before and after
}

// BackupMiB is the size of the backup.
func (l Loss) BackupMiB() int64 { return l.BackupBytes >> 20 }

// Captured counts the orphans whose money was taken.
func (f Figures) Captured() int {
	n := 0
	for _, o := range f.Orphans {
		if o.Captured {
			n++
		}
	}
	return n
}

// evidence is what a report is computed from.
type evidence struct {
	scenario.Evidence
	cuts  []cut
	known map[string]string // the database's payments: state by id
}

func build(e evidence) scenario.Verdict {
	ops, u := binding(e.Ops, e.cuts, e.Facts.Orders)
	orphans, payments, contradictions := reconcile(e.Facts.Payments, e.Facts.Orders, e.known, u.orders, unknownPlacings(e.Ops, e.cuts))
	f := Figures{
		Losses: []Loss{}, Placed: len(e.Facts.Orders),
		LostOrders: append([]LostOrder{}, u.orders...), LostEdits: u.edits, Orphans: append([]Orphan{}, orphans...),
	}
	for _, p := range check.Placings(e.Ops) {
		if p.Outcome == history.OK {
			f.Acknowledged++
		}
	}
	for _, c := range e.cuts {
		f.Losses = append(f.Losses, e.loss(c, u.orders))
	}
	v := scenario.Verdict{
		Violations: slices.Concat(check.Run(ops, check.Facts{Orders: e.Facts.Orders, Payments: payments}), contradictions, e.Audited),
		Invariants: []string{PaymentKnown, OrphanIsUndone, NotVacuous}, Figures: f,
	}
	e.guards(f, &v)
	return v
}

func (e evidence) loss(c cut, lost []LostOrder) Loss {
	l := Loss{
		Kind: c.loss, BackupBytes: c.backup.Bytes, BackupTook: history.Millis(c.backup.ended.Sub(c.backup.began)),
		At: history.Millis(c.lost.Sub(e.Result.Began)), PointBefore: max(0, history.Millis(c.lost.Sub(c.point))), ArchivedUntil: c.archived.String(),
		RestoreTook: history.Millis(c.open.Sub(c.restoring)), Timelines: c.timelines,
	}
	for _, o := range lost {
		if c.undid(o.At) {
			if before := history.Millis(c.lost.Sub(o.At)); l.LostFor == nil || before > *l.LostFor {
				l.LostFor = new(before)
			}
		}
	}
	point := c.point
	if c.loss == cluster.DropDatabase {
		point = c.lost
	}
	for _, op := range e.Ops {
		switch placed := op.Placed(); {
		case placed && between(op.Returned, c.backup.began, c.backup.ended):
			l.DuringBackup++
		case placed && between(op.Returned, c.backup.ended, point):
			l.AfterBackup++
		case placed && op.Invoked.After(c.gone):
			if took := history.Millis(op.Returned.Sub(c.lost)); l.OrdersAfter == nil || took < *l.OrdersAfter {
				l.OrdersAfter = new(took)
			}
		case !op.Succeeded() && between(op.Returned, c.lost, c.open):
			l.FailedMeanwhile++
		}
	}
	return l
}

// guards are what must have happened for the drill to prove anything.
func (e evidence) guards(f Figures, v *scenario.Verdict) {
	after := 0
	for _, op := range e.Ops {
		if op.Kind == history.PlaceOrder && op.Outcome == history.OK && op.Invoked.After(e.cuts[len(e.cuts)-1].open) {
			after++
		}
	}
	for i, l := range f.Losses {
		switch {
		case e.cuts[i].point.IsZero():
			v.Fail(NotVacuous, "%s: nothing of the time after the backup was in the archive", l.Kind)
		case l.AfterBackup < fewest:
			v.Fail(NotVacuous, "%s: %d orders had to come from the log; it takes %d", l.Kind, l.AfterBackup, fewest)
		}
		if l.FailedMeanwhile == 0 {
			v.Fail(NotVacuous, "%s: no request failed while there was no database", l.Kind)
		}
		if l.Timelines[1] <= l.Timelines[0] {
			v.Fail(NotVacuous, "%s: the log's timeline is %d, as before: nothing was restored", l.Kind, l.Timelines[1])
		}
	}
	if after < fewest {
		v.Fail(NotVacuous, "%d orders were acknowledged after the last restore; it takes %d", after, fewest)
	}
	if e.Result.Dropped > 0 {
		v.Fail(NotVacuous, "the load dropped %d arrivals: this machine was too busy", e.Result.Dropped)
	}
}

func between(t, from, to time.Time) bool { return !t.Before(from) && t.Before(to) }

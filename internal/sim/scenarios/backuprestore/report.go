package backuprestore

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/report"
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
		Invariants: []string{PaymentKnown, OrphanIsUndone, NotVacuous}, Figures: f, Page: f.page(),
	}
	e.guards(f, &v)
	return v
}

func (e evidence) loss(c cut, lost []LostOrder) Loss {
	l := Loss{
		Kind: c.loss, BackupBytes: c.backup.Bytes, BackupTook: millis(c.backup.ended.Sub(c.backup.began)),
		At: millis(c.lost.Sub(e.Result.Began)), PointBefore: max(0, millis(c.lost.Sub(c.point))), ArchivedUntil: c.archived.String(),
		RestoreTook: millis(c.open.Sub(c.restoring)), Timelines: c.timelines,
	}
	for _, o := range lost {
		if c.undid(o.At) {
			if before := millis(c.lost.Sub(o.At)); l.LostFor == nil || before > *l.LostFor {
				l.LostFor = new(before)
			}
		}
	}
	point := c.point
	if c.loss == cluster.DropDatabase {
		point = c.lost
	}
	for _, op := range e.Ops {
		placed := op.Kind == history.PlaceOrder && op.Outcome == history.OK && !op.Replay
		switch {
		case placed && between(op.Returned, c.backup.began, c.backup.ended):
			l.DuringBackup++
		case placed && between(op.Returned, c.backup.ended, point):
			l.AfterBackup++
		case placed && op.Invoked.After(c.gone):
			if took := millis(op.Returned.Sub(c.lost)); l.OrdersAfter == nil || took < *l.OrdersAfter {
				l.OrdersAfter = new(took)
			}
		case op.Outcome != history.OK && !history.Refusal(op.Reason) && between(op.Returned, c.lost, c.open):
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

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// page is the report as people read it.
func (f Figures) page() report.Page {
	losses := report.Table{
		Title: "Losses",
		Note: "What was acknowledged before the point is restored and was checked. Undone is what was acknowledged after it: at most the time " +
			"that the log waits to be archived, and nothing where the server lived to archive all.",
		Head: []string{"loss", "backup", "orders meanwhile", "orders from the log", "point before the loss", "earliest lost", "restore took", "orders back after", "failed meanwhile", "timeline"},
	}
	for _, l := range f.Losses {
		losses.Rows = append(losses.Rows, []string{
			string(l.Kind), fmt.Sprintf("%d MiB in %s", l.BackupBytes>>20, seconds(&l.BackupTook)), strconv.Itoa(l.DuringBackup), strconv.Itoa(l.AfterBackup),
			seconds(&l.PointBefore), seconds(l.LostFor), seconds(&l.RestoreTook), seconds(l.OrdersAfter), strconv.Itoa(l.FailedMeanwhile),
			fmt.Sprintf("%d → %d", l.Timelines[0], l.Timelines[1]),
		})
	}
	captured := 0
	for _, o := range f.Orphans {
		if o.Captured {
			captured++
		}
	}
	undone := report.Table{
		Title: "What became of it", Head: []string{"", ""},
		Rows: [][]string{
			{"orders acknowledged", strconv.Itoa(f.Acknowledged)}, {"orders there at the end", strconv.Itoa(f.Placed)},
			{"orders lost, acknowledged after a point", strconv.Itoa(len(f.LostOrders))}, {"cart edits acknowledged after a point", strconv.Itoa(f.LostEdits)},
			{"payments at the provider for lost orders", strconv.Itoa(len(f.Orphans))}, {"of these captured, to be refunded", strconv.Itoa(captured)},
		},
	}
	lost := report.Table{Title: "Lost orders", Head: []string{"order", "acknowledged", "placed again as"}}
	for _, o := range f.LostOrders {
		lost.Rows = append(lost.Rows, []string{o.Order, o.At.UTC().Format("15:04:05.000"), o.Again})
	}
	orphans := report.Table{Title: "To reconcile with the provider", Head: []string{"payment", "order", "amount", "state there"}}
	for _, o := range f.Orphans {
		orphans.Rows = append(orphans.Rows, []string{o.Payment, o.Order, fmt.Sprintf("%d %s", o.Amount, o.Currency), o.State})
	}
	return report.Page{
		Title:  "Backup and restore",
		Means:  "All that was acknowledged before the restored points is there, and no payment was taken twice.",
		Tables: []report.Table{losses, undone, lost, orphans},
	}
}

func seconds(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f s", *ms/1000)
}

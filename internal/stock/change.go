package stock

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Kind is what changes an allotment.
type Kind string

// The kinds. All but Import are done by hand.
const (
	Import   Kind = "import"   // a file says how many there are in all
	Receive  Kind = "receive"  // units came in
	Adjust   Kind = "adjust"   // there are more or fewer than was known, for a Reason
	Count    Kind = "count"    // somebody counted the shelf
	Transfer Kind = "transfer" // from one region's allotment to another's: a change of each
)

// Reason is why units are adjusted.
type Reason string

// The reasons.
const (
	Damaged    Reason = "damaged"    // takes off
	Lost       Reason = "lost"       // takes off
	Found      Reason = "found"      // adds
	Returned   Reason = "returned"   // adds
	Correction Reason = "correction" // of a mistake, either way
)

// Reasons lists them.
func Reasons() []Reason { return []Reason{Damaged, Lost, Found, Returned, Correction} }

// allows reports whether units may be adjusted by so many for the reason.
func (r Reason) allows(units int64) bool {
	switch r {
	case Damaged, Lost:
		return units < 0
	case Found, Returned:
		return units > 0
	case Correction:
		return true
	}
	return false
}

// Level is what a region has of a variant.
type Level struct {
	Region   regions.Name
	OnHand   int64 // can be ordered
	Reserved int64 // ordered and not yet handed over
	Sold     int64 // handed over
}

// Shelf is how many units there are to be counted: those that are reserved lie there until they are handed over.
func (l Level) Shelf() int64 { return l.OnHand + l.Reserved }

// Allotted is how many units the region has got.
func (l Level) Allotted() int64 { return l.OnHand + l.Reserved + l.Sold }

// Change is a line of the journal: it changed a region's allotment by so many units on hand.
type Change struct {
	Variant string
	At      time.Time // by the database's clock; later than every earlier change of the allotment
	Kind    Kind
	Units   int64
	After   Level        // what the region had then
	Known   bool         // whether After is known; a former release has not kept it
	Reason  Reason       // of an Adjust
	Other   regions.Name // of a Transfer, where the units came from or went to
	Key     string       // of what was done by hand
	By      string       // who did that
}

// Before is what the region had, where After is known.
func (c Change) Before() Level {
	l := c.After
	l.OnHand -= c.Units
	return l
}

// Endless is how many units a variant has in all that is sold without counting them, so that orders know one rule only.
const Endless = 1_000_000_000

// tracked reports whether so many units in one of several regions are of a variant whose units are counted.
func tracked(allotted int64, of int) bool { return allotted < Endless/int64(of) }

// Tracked reports whether the units of a variant, of which all regions have these, are counted.
func Tracked(levels []Level) bool {
	return !slices.ContainsFunc(levels, func(l Level) bool { return !tracked(l.Allotted(), len(levels)) })
}

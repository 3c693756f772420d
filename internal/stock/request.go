package stock

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/plaintext"
	"github.com/meridian-commerce/meridian/regions"
)

// Request is a change by hand.
type Request struct {
	Kind    Kind
	Variant string       // its id
	Region  regions.Name // of a Transfer, the one that gives
	To      regions.Name // of a Transfer, the one that gets
	Units   int64        // to receive or to transfer; to adjust by, below 0 to take off; of a Count, how many lie on the shelf
	Reason  Reason       // of an Adjust
	Key     string       // the same for the same request: it is done once
	By      string       // who asks
}

const (
	maxKey = 255
	maxBy  = 100
)

// Check refuses what could never be done with these regions. Errors: fault.Invalid (REGION_UNKNOWN, STOCK_SAME_REGION,
// STOCK_UNITS_INVALID, STOCK_REASON_INVALID, IDEMPOTENCY_KEY_INVALID, TEXT_INVALID).
func (r Request) Check(set *regions.Set) error {
	for _, name := range r.Regions() {
		if _, known := set.Lookup(name); !known {
			return fault.New(fault.Invalid, "REGION_UNKNOWN", "there is no region %.40q; there are %v", name, set.Names())
		}
	}
	if r.Kind == Transfer && r.Region == r.To {
		return fault.New(fault.Invalid, "STOCK_SAME_REGION", "units are transferred from one region to another, not within %s", r.Region)
	}
	if err := r.checkUnits(); err != nil {
		return err
	}
	if len(r.Key) == 0 || len(r.Key) > maxKey || strings.ContainsFunc(r.Key, func(c rune) bool { return c < '!' || c > '~' }) {
		return fault.New(fault.Invalid, "IDEMPOTENCY_KEY_INVALID", "a key has 1 to %d characters, all of them visible ASCII", maxKey)
	}
	if n := utf8.RuneCountInString(r.By); n == 0 || n > maxBy || !utf8.ValidString(r.By) || strings.ContainsFunc(r.By, plaintext.Deceives) {
		return fault.New(fault.Invalid, "TEXT_INVALID", "who changes stock is said in 1 to %d characters, on one line", maxBy)
	}
	return nil
}

func (r Request) checkUnits() error {
	least := int64(1)
	switch r.Kind {
	case Receive, Transfer:
	case Count:
		least = 0
	case Adjust:
		if !slices.Contains(Reasons(), r.Reason) {
			return fault.New(fault.Invalid, "STOCK_REASON_INVALID", "units are adjusted for a reason, one of %v, not %.40q", Reasons(), r.Reason)
		}
		least = -Endless
	default:
		return fault.New(fault.Internal, "INTERNAL", "stock is not changed by hand as %q", r.Kind)
	}
	if r.Units < least || r.Units > Endless || r.Kind == Adjust && r.Units == 0 {
		return errUnits(r.Units)
	}
	if r.Kind == Adjust && !r.Reason.allows(r.Units) {
		return fault.New(fault.Invalid, "STOCK_REASON_INVALID", "units that are %s are not adjusted by %+d: %s and %s take off, %s and %s add, %s does either",
			r.Reason, r.Units, Damaged, Lost, Found, Returned, Correction)
	}
	return nil
}

func errUnits(units int64) error {
	return fault.New(fault.Invalid, "STOCK_UNITS_INVALID", "%d is no number of units to change stock by", units)
}

// Regions returns whose allotments the request changes, in the order in which they are locked.
func (r Request) Regions() []regions.Name {
	names := []regions.Name{r.Region}
	if r.Kind == Transfer {
		names = append(names, r.To)
		slices.Sort(names)
	}
	return names
}

// Apply returns the changes that the request makes of what its regions have, of so many regions that there are. Units that are reserved stay so. Errors:
// fault.FailedPrecondition (STOCK_SHORT, STOCK_UNTRACKED), fault.Invalid (STOCK_UNITS_INVALID).
func (r Request) Apply(have []Level, of int) ([]Change, error) {
	var changes []Change
	for _, l := range have {
		by := r.Units
		switch {
		case r.Kind == Count:
			by -= l.Shelf()
		case r.Kind == Transfer && l.Region == r.Region:
			by = -by
		}
		switch {
		case !tracked(l.Allotted(), of):
			return nil, ErrUntracked()
		case l.OnHand+by < 0:
			return nil, r.errShort(l)
		case !tracked(l.Allotted()+by, of):
			return nil, errUnits(r.Units) // nobody could tell it from what is not counted
		}
		l.OnHand += by
		changes = append(changes, Change{
			Variant: r.Variant, Kind: r.Kind, Units: by, After: l, Known: true, Reason: r.Reason, Other: r.other(l.Region), Key: r.Key, By: r.By,
		})
	}
	return changes, nil
}

// other returns the other region of a transfer.
func (r Request) other(than regions.Name) regions.Name {
	switch {
	case r.Kind != Transfer:
		return ""
	case than == r.Region:
		return r.To
	}
	return r.Region
}

// Repeats checks that the request made these changes before, under its key. The error is fault.Mismatch
// (IDEMPOTENCY_KEY_REUSED).
func (r Request) Repeats(before []Change) error {
	for _, c := range before {
		asked := c.Units
		switch {
		case c.Kind == Count:
			asked = c.After.Shelf()
		case c.Kind == Transfer && c.After.Region == r.Region:
			asked = -asked
		}
		if c.Kind != r.Kind || c.Variant != r.Variant || asked != r.Units || c.Reason != r.Reason || c.Other != r.other(c.After.Region) {
			return fault.New(fault.Mismatch, "IDEMPOTENCY_KEY_REUSED", "the key %s was used in %s for something else: %s of %+d units of variant %s",
				r.Key, c.After.Region, c.Kind, c.Units, c.Variant)
		}
	}
	return nil
}

// errShort says that a region cannot give so many units up.
func (r Request) errShort(have Level) error {
	e := fault.New(fault.FailedPrecondition, "STOCK_SHORT", "%s has %d units on hand, and %d more that are reserved for orders: %d cannot be taken off",
		have.Region, have.OnHand, have.Reserved, max(r.Units, -r.Units))
	if r.Kind == Count {
		e = fault.New(fault.FailedPrecondition, "STOCK_SHORT", "%d units were counted in %s, where %d are reserved for orders: they lie on the shelf until they are handed over",
			r.Units, have.Region, have.Reserved)
	}
	return e.With("region", string(have.Region)).With("on_hand", fmt.Sprint(have.OnHand)).With("reserved", fmt.Sprint(have.Reserved))
}

// ErrUntracked says that the units of a variant are not counted.
func ErrUntracked() error {
	return fault.New(fault.FailedPrecondition, "STOCK_UNTRACKED", "this variant is sold without counting its units; import it with a quantity to have them counted")
}

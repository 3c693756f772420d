package shopify

import (
	"fmt"
	"strings"
)

// assumption is a kind of what a file leaves open.
type assumption int

const (
	noQuantity assumption = iota
	negative
	unlimited
	sharedSKU
	assumptionCount
)

// notes counts what was assumed, and keeps the first line of each kind.
type notes [assumptionCount]struct{ count, line int }

func (n *notes) add(a assumption, line int) {
	if n[a].count++; n[a].count == 1 {
		n[a].line = line
	}
}

// tell says each kind once.
func (n *notes) tell(say func(string)) {
	for a, of := range n {
		if of.count > 0 && say != nil {
			say(fmt.Sprintf("%d variants (the first on line %d) %s", of.count, of.line, [assumptionCount]string{
				noQuantity: "are in a file without the column " + quantityColumn.String() + ": those that are new have 0 units in stock, the others what they had",
				negative:   "have a negative quantity, more sold than there was: they have 0 units in stock",
				unlimited:  "are not tracked, or sold on when there are none: each can be sold a billion times, whatever its quantity",
				sharedSKU:  "have the SKU of another one of their product, which keeps it: theirs ends in a number made of their options",
			}[a]))
		}
	}
}

// stock returns the units to allot to the row's variant. Of one that sells without stock it is a number that is never
// sold, so that orders know one rule only.
func (r *Reader) stock(of row, quantity int) int {
	tracked := r.at[trackerColumn] < 0 || of.cell(trackerColumn) != ""
	switch {
	case !tracked, strings.EqualFold(of.cell(policyColumn), "continue"):
		r.notes.add(unlimited, of.line)
		return maxQuantity
	case of.cell(quantityColumn) == "":
		if r.at[quantityColumn] < 0 {
			r.notes.add(noQuantity, of.line)
		}
		return -1
	case quantity < 0:
		r.notes.add(negative, of.line)
	}
	return max(0, quantity)
}

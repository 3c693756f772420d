package sheet

import (
	"fmt"
	"strings"
)

// Notes counts what was assumed of a file where it leaves something open, and keeps the first line of each kind. The
// zero value is ready to use. It is not safe for concurrent use.
type Notes struct {
	kinds []string // by their first occurrence
	seen  map[string]*struct{ count, line int }
}

// Add counts an assumption, which says "variants have …" or "products are …".
func (n *Notes) Add(line int, says string) {
	if n.seen == nil {
		n.seen = map[string]*struct{ count, line int }{}
	}
	of := n.seen[says]
	if of == nil {
		of = &struct{ count, line int }{line: line}
		n.seen[says] = of
		n.kinds = append(n.kinds, says)
	}
	of.count++
	of.line = min(of.line, line)
}

// Tell says each kind once, and which columns of the headers nobody has read although they hold something.
func (n *Notes) Tell(say func(string), headers ...*Header) {
	if say == nil {
		return
	}
	for _, kind := range n.kinds {
		of := n.seen[kind]
		noun, rest, _ := strings.Cut(kind, " ")
		say(fmt.Sprintf("%d %s (the first on line %d) %s", of.count, noun, of.line, rest))
	}
	for _, h := range headers {
		n.tellUnread(say, h.unread())
	}
}

// tellUnread names the first columns that are left aside; there may be a hundred.
func (n *Notes) tellUnread(say func(string), names []string) {
	const most = 12
	switch more := len(names) - most; {
	case len(names) == 0:
	case more <= 0:
		say("these columns are left aside, since there is nothing here to keep them in: " + strings.Join(names, ", "))
	default:
		say(fmt.Sprintf("%d columns are left aside, since there is nothing here to keep them in: %s and %d more",
			len(names), strings.Join(names[:most], ", "), more))
	}
}

// Supply is what a row says of a variant's stock.
type Supply struct {
	Endless bool   // sold without stock, or on when there are none
	Known   bool   // Units were given
	Units   int    // below 0: owed already
	From    Column // where units stand in the files that have them
}

// What is assumed of stock.
const (
	negative  = "variants have a negative quantity, more sold than there was: they have 0 units in stock"
	unlimited = "variants are not tracked, or sold on when there are none: each can be sold a billion times, whatever its quantity"
)

// Units returns the units to allot to a row's variant; -1: those that it had. Of one that sells without stock it is a
// number that is never sold, so that orders know one rule only.
func (n *Notes) Units(r Row, s Supply) int {
	switch {
	case s.Endless:
		n.Add(r.Line, unlimited)
		return MaxQuantity
	case !s.Known:
		if !r.Has(s.From) {
			n.Add(r.Line, "variants are in a file without the column "+r.Name(s.From)+": those that are new have 0 units in stock, the others what they had")
		}
		return -1
	case s.Units < 0:
		n.Add(r.Line, negative)
	}
	return max(0, s.Units)
}

package check

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// decideWithin bounds the search for one key's linearization. A search that does not end counts as a
// violation: what could not be checked was not proved.
const decideWithin = 20 * time.Second

// items is a cart's content as one comparable value: lines of sku=units, sorted.
type items string

func itemsOf(m map[string]int32) items {
	var b strings.Builder
	for _, sku := range slices.Sorted(maps.Keys(m)) {
		if m[sku] != 0 {
			fmt.Fprintf(&b, "%s=%d\n", sku, m[sku])
		}
	}
	return items(b.String())
}

// with returns the cart with so many units of a SKU.
func (c items) with(sku string, units int32) items {
	m := map[string]int32{sku: units}
	for entry := range strings.Lines(string(c)) {
		i := strings.LastIndexByte(entry, '=')
		if entry[:i] != sku {
			var n int32
			_, _ = fmt.Sscan(entry[i+1:], &n)
			m[entry[:i]] = n
		}
	}
	return itemsOf(m)
}

// cartModel is a cart as callers may think of it: a map that SetItem changes, GetCart reads and PlaceOrder
// takes and empties, each at one instant. An input is a *history.Op; its output is the cart after SetItem, at GetCart, or
// the lines of the order that emptied it, if that is known.
func cartModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return items("") },
		Step: func(state, input, output any) (bool, any) {
			cart, _ := state.(items)
			op, _ := input.(*history.Op)
			unknown := op.Outcome != history.OK
			switch op.Kind {
			case history.SetItem:
				next := cart.with(op.SKU, op.Units)
				return unknown || next == output, next
			case history.PlaceOrder:
				return unknown || cart == output, items("")
			default:
				return cart == output, cart
			}
		},
	}
}

// carts: each user's cart is linearizable.
func carts(ops []history.Op, placings []Placing) []Violation {
	byUser := map[string][]porcupine.Operation{}
	add := func(op history.Op, call time.Time) {
		end := int64(math.MaxInt64)
		if op.Outcome == history.OK {
			end = op.Returned.UnixNano()
		}
		byUser[op.User] = append(byUser[op.User], porcupine.Operation{Input: &op, Call: call.UnixNano(), Output: itemsOf(op.Items), Return: end})
	}
	for _, op := range ops {
		if op.Kind == history.SetItem && op.Outcome != history.Fail || op.Kind == history.GetCart && op.Outcome == history.OK {
			add(op, op.Invoked)
		}
	}
	for _, p := range placings {
		if p.Outcome == history.Fail {
			continue
		}
		first := p.Attempts[0]
		if answer, known := p.answer(); known {
			add(answer, first.Invoked)
		} else {
			add(first, first.Invoked)
		}
	}
	return linearizable(CartLinearizable, cartModel(), byUser)
}

// linearizable checks each key's operations against a model.
func linearizable(invariant string, m porcupine.Model, byKey map[string][]porcupine.Operation) []Violation {
	var found []finding
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		switch porcupine.CheckOperationsTimeout(m, byKey[key], decideWithin) {
		case porcupine.Illegal:
			found = append(found, finding{key, fmt.Sprintf("has no order of its %d requests that explains every answer", len(byKey[key]))})
		case porcupine.Ok:
		case porcupine.Unknown:
			found = append(found, finding{key, fmt.Sprintf("could not be decided within %v", decideWithin)})
		}
	}
	return violation(invariant, found)
}

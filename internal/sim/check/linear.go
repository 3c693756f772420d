package check

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// decideWithin bounds the search for one key's linearization. A search that does not end counts as a
// violation: what could not be checked was not proved.
const decideWithin = 20 * time.Second

// items is a cart's content: units by SKU, those of 0 left out.
type items map[string]int32

func itemsOf(m map[string]int32) items {
	out := items{}
	maps.Copy(out, m)
	maps.DeleteFunc(out, func(_ string, units int32) bool { return units == 0 })
	return out
}

func sameItems(a, b any) bool {
	one, _ := a.(items)
	other, _ := b.(items)
	return maps.Equal(one, other)
}

// cartModel is a cart as callers may think of it: a map that SetItem changes, GetCart reads and PlaceOrder
// takes and empties, each at one instant. An input is a *history.Op; its output is the cart after SetItem, at GetCart, or
// the lines of the order that emptied it, if that is known.
func cartModel() porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return items{} },
		Equal: sameItems,
		Step: func(state, input, output any) (bool, any) {
			cart, _ := state.(items)
			op, _ := input.(*history.Op)
			unknown := op.Outcome != history.OK
			switch op.Kind {
			case history.SetItem:
				next := maps.Clone(cart)
				next[op.SKU] = op.Units
				next = itemsOf(next)
				return unknown || sameItems(next, output), next
			case history.PlaceOrder:
				return unknown || sameItems(cart, output), items{}
			default:
				return sameItems(cart, output), cart
			}
		},
	}
}

// carts: each user's cart is linearizable.
func (f findings) carts(ops []history.Op, placings []Placing) {
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
		if p.Outcome == history.Info {
			p.Answer = p.Attempts[0]
		}
		add(p.Answer, p.Attempts[0].Invoked)
	}
	f.linearizable(CartLinearizable, cartModel(), byUser)
}

// linearizable checks each key's operations against a model.
func (f findings) linearizable(invariant string, m porcupine.Model, byKey map[string][]porcupine.Operation) {
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		switch porcupine.CheckOperationsTimeout(m, byKey[key], decideWithin) {
		case porcupine.Illegal:
			f.add(invariant, key, "has no order of its %d requests that explains every answer", len(byKey[key]))
		case porcupine.Ok:
		case porcupine.Unknown:
			f.add(invariant, key, "could not be decided within %v", decideWithin)
		}
	}
}

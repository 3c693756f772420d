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

// cartCall is what was asked of a cart.
type cartCall struct {
	kind  history.Kind
	sku   string
	units int32
}

// cartAnswer is the cart after SetItem, at GetCart, or the lines of the order that emptied it.
type cartAnswer struct {
	known bool
	items items
}

// cartModel is a cart as callers may think of it: a map that SetItem changes, GetCart reads and PlaceOrder
// takes and empties, each at one instant.
func cartModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return items("") },
		Step: func(state, input, output any) (bool, any) {
			cart, _ := state.(items)
			call, _ := input.(cartCall)
			answer, _ := output.(cartAnswer)
			switch call.kind {
			case history.SetItem:
				next := cart.with(call.sku, call.units)
				return !answer.known || next == answer.items, next
			case history.PlaceOrder:
				return !answer.known || cart == answer.items, items("")
			default:
				return cart == answer.items, cart
			}
		},
	}
}

// carts: each user's cart is linearizable.
func carts(ops []history.Op, placings []Placing) []Violation {
	byUser := map[string][]porcupine.Operation{}
	add := func(user string, call, ret time.Time, in cartCall, out cartAnswer) {
		end := int64(math.MaxInt64)
		if out.known {
			end = ret.UnixNano()
		}
		byUser[user] = append(byUser[user], porcupine.Operation{Input: in, Call: call.UnixNano(), Output: out, Return: end})
	}
	for _, op := range ops {
		known := op.Outcome == history.OK
		switch {
		case op.Kind == history.SetItem && op.Outcome != history.Fail:
			add(op.User, op.Invoked, op.Returned, cartCall{op.Kind, op.SKU, op.Units}, cartAnswer{known, itemsOf(op.Items)})
		case op.Kind == history.GetCart && known:
			add(op.User, op.Invoked, op.Returned, cartCall{kind: op.Kind}, cartAnswer{known, itemsOf(op.Items)})
		}
	}
	for _, p := range placings {
		if p.Outcome == history.Fail {
			continue
		}
		answer, known := p.answer()
		add(p.User, p.Attempts[0].Invoked, answer.Returned, cartCall{kind: history.PlaceOrder}, cartAnswer{known, itemsOf(answer.Items)})
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

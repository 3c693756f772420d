package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// Violation is a broken promise. It is the audit's type, so that the two kinds of findings are one list.
type Violation = audit.Violation

// The invariants that this package checks; the audit of the database checks more.
const (
	AcknowledgedOnce  = "acknowledged-order-exists-once"
	UnknownAtMostOnce = "unknown-order-at-most-once"
	FailedAbsent      = "failed-order-absent"
	NoPhantom         = "order-was-requested"
	ReplayIdentical   = "replay-identical"
	CaptureOnce       = "capture-at-most-once"
	CaptureHasOrder   = "capture-has-order"
	FulfilledPaid     = "fulfilled-order-is-paid"
	OrderSettles      = "acknowledged-order-settles"
	CartLinearizable  = "cart-linearizable"
	OrderLinearizable = "order-status-linearizable"
	OrderPrivate      = "order-is-its-owners"
	OrderReadable     = "order-stays-readable"
	WatchComplete     = "watch-shows-every-state"
	PricesAreListed   = "prices-are-the-lists"
	ProviderAgrees    = "provider-agrees-with-payment"
	BusHasOutbox      = "bus-equals-outbox"
	EventTellsChange  = "event-tells-the-change"
	PostOnce          = "post-arrives-once"
)

// Invariants lists them.
func Invariants() []string {
	return []string{
		AcknowledgedOnce, UnknownAtMostOnce, FailedAbsent, NoPhantom, ReplayIdentical, CaptureOnce, CaptureHasOrder,
		FulfilledPaid, OrderSettles, CartLinearizable, OrderLinearizable, Settles, OrderPrivate, OrderReadable, WatchComplete,
		PricesAreListed, ProviderAgrees, BusHasOutbox, EventTellsChange, PostOnce,
	}
}

// Run checks every invariant of a finished and settled run.
func Run(ops []history.Op, f Facts) []Violation {
	placings := Placings(ops)
	k := keep(f)
	found := findings{}
	found.acknowledged(placings, k)
	found.unacknowledged(placings, k)
	found.phantoms(ops, placings, k)
	found.replays(placings)
	found.captures(k)
	found.paid(k)
	found.settled(placings, k)
	found.carts(ops, placings)
	found.statuses(ops)
	found.reads(ops, k)
	found.watches(ops, k)
	found.prices(k)
	found.provider(k)
	found.bus(k)
	found.payloads(k)
	found.posts(ops, k)
	var out []Violation
	for _, invariant := range Invariants() {
		if len(found[invariant]) > 0 {
			out = append(out, violation(invariant, found[invariant]))
		}
	}
	return out
}

// kept is the facts with their orders by id, and by user and key.
type kept struct {
	Facts
	byID, byKey map[string][]Order
}

func keep(f Facts) kept {
	k := kept{f, map[string][]Order{}, map[string][]Order{}}
	for _, o := range f.Orders {
		k.byID[o.ID] = append(k.byID[o.ID], o)
		k.byKey[o.User+" "+o.Key] = append(k.byKey[o.User+" "+o.Key], o)
	}
	return k
}

// finding is one id's part in a violation.
type finding struct{ id, what string }

// findings are what was found against each invariant.
type findings map[string][]finding

func (f findings) add(invariant, id, format string, args ...any) {
	f[invariant] = append(f[invariant], finding{id, fmt.Sprintf(format, args...)})
}

// shown bounds how many findings a violation's text spells out; its ids are complete.
const shown = 5

// violation makes one violation of all findings.
func violation(invariant string, found []finding) Violation {
	v := Violation{Invariant: invariant}
	var texts []string
	for i, f := range found {
		if i < shown {
			texts = append(texts, f.id+" "+f.what)
		}
		if !slices.Contains(v.IDs, f.id) {
			v.IDs = append(v.IDs, f.id)
		}
	}
	v.Detail = strings.Join(texts, "; ")
	if more := len(found) - shown; more > 0 {
		v.Detail += fmt.Sprintf("; and %d more", more)
	}
	return v
}

// Placing is everything that was asked under one idempotency key.
type Placing struct {
	User, Key string
	Outcome   history.Outcome
	Order     string       // when acknowledged
	Answer    history.Op   // that acknowledged it first
	Attempts  []history.Op // in order of invocation, without replays
	Replays   []history.Op
}

// Placings groups the PlaceOrder requests of a history by user and key, in order of the first invocation.
// A placing is acknowledged if any attempt was, refused if all were, and unknown otherwise.
func Placings(ops []history.Op) []Placing {
	index := map[string]int{}
	var out []Placing
	for _, op := range ops {
		if op.Kind != history.PlaceOrder {
			continue
		}
		k := op.User + " " + op.Key
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, Placing{User: op.User, Key: op.Key, Outcome: history.Fail})
		}
		p := &out[i]
		if op.Replay {
			p.Replays = append(p.Replays, op)
			continue
		}
		p.Attempts = append(p.Attempts, op)
		switch {
		case op.Outcome == history.OK && p.Outcome != history.OK:
			p.Outcome = history.OK
			p.Order = op.Order
			p.Answer = op
		case op.Outcome == history.Info && p.Outcome == history.Fail:
			p.Outcome = history.Info
		}
	}
	return out
}

// Package history records what callers did and what they were told: one Op per request, from its invocation
// to its outcome. A history is the evidence that the checker judges and the report is computed from, so it
// claims nothing that a caller could not have seen.
package history

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Kind is what a request asked for.
type Kind string

// The kinds of requests.
const (
	SignUp     Kind = "sign_up"
	SignIn     Kind = "sign_in"
	List       Kind = "list_products"
	Product    Kind = "get_product"
	Search     Kind = "search_products"
	GetCart    Kind = "get_cart"
	SetItem    Kind = "set_item"
	PlaceOrder Kind = "place_order"
	GetOrder   Kind = "get_order"
	Watch      Kind = "watch_order"

	// WatchMessage is no request, but one message of a WatchOrder stream.
	WatchMessage Kind = "watch_message"
)

// Catalog reports whether a request reads the catalog only.
func (k Kind) Catalog() bool { return k == List || k == Product || k == Search }

// Outcome is what a caller may conclude about a request's effect.
type Outcome string

// The outcomes.
const (
	OK   Outcome = "ok"   // acknowledged: it is done
	Fail Outcome = "fail" // refused: it is not done and never will be
	Info Outcome = "info" // unknown: it may be done, now or later
)

// Op is one request.
type Op struct {
	Client     int    // the caller
	User       string // the caller's user id
	City       string
	Home       regions.Name // of the caller's account
	Nearest    regions.Name // whose edge is nearest to the caller's city when all are announced
	Entry      regions.Name // whose edge answered; "" without an answer
	Served     regions.Name // whose stack answered; "" without an answer
	Kind       Kind
	Attempt    int  // 1 for the first, counted per idempotency key for PlaceOrder
	Replay     bool // repeats a PlaceOrder that was acknowledged, to compare the answers
	Foreign    bool // asks for another user's order, which must not be shown
	Intended   time.Time
	Invoked    time.Time
	Returned   time.Time
	Outcome    Outcome
	Code       string        // Connect's code, or "transport"; "" when ok
	Reason     string        // the error's UPPER_SNAKE reason
	Message    string        // the error's text
	Edge       time.Duration // inside the edge, from Server-Timing; 0 if not told
	RetryAfter time.Duration // what the answer advised; 0: nothing

	Key     string           // PlaceOrder: the idempotency key
	Digest  string           // PlaceOrder: of the whole answer
	Order   string           // the order's id
	State   string           // the order's state
	Version int64            // the order's version
	Total   int64            // PlaceOrder: minor units
	SKU     string           // SetItem: what was set
	Units   int32            // SetItem: to how many
	Etag    string           // of the cart, as answered
	Items   map[string]int32 // the cart, or the order's lines, as answered
}

// Momentary reports whether the request was refused for a reason that says nothing about itself: another attempt may do.
func (o Op) Momentary() bool {
	return o.Outcome == Fail && (o.Code == Transport || o.Code == "unavailable" || o.Code == "resource_exhausted" || o.Code == "aborted")
}

// Succeeded reports whether the caller was served: with what it asked for, or with a refusal for a reason of the shop's, such
// as that it is another's.
func (o Op) Succeeded() bool {
	return o.Outcome == OK || o.Outcome == Fail && (Refusal(o.Reason) || o.Foreign && o.Code == "not_found")
}

// Placed reports whether the request placed an order that was acknowledged.
func (o Op) Placed() bool { return o.Kind == PlaceOrder && o.Outcome == OK && !o.Replay }

// Err says why the request was not served; nil if it was.
func (o Op) Err() error {
	if o.Outcome == OK {
		return nil
	}
	return fmt.Errorf("%s: %s %s: %s", o.Kind, o.Code, o.Reason, o.Message)
}

// Latency is what the caller waited, from when the request was meant to start.
func (o Op) Latency() time.Duration { return o.Returned.Sub(o.Intended) }

// History collects Ops. It is safe for concurrent use.
type History struct {
	mu  sync.Mutex
	ops []Op
}

// Add records an Op.
func (h *History) Add(o Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
}

// Ops returns what was recorded so far, by time of invocation.
func (h *History) Ops() []Op {
	h.mu.Lock()
	out := slices.Clone(h.ops)
	h.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Op) int { return cmp.Compare(a.Invoked.UnixNano(), b.Invoked.UnixNano()) })
	return out
}

// Tally counts the outcomes of the requests that ended since a time.
func (h *History) Tally(since time.Time) (ok, fail, info int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ops) - 1; i >= 0 && !h.ops[i].Returned.Before(since); i-- {
		switch op := h.ops[i]; {
		case op.Kind == WatchMessage:
		case op.Outcome == OK:
			ok++
		case op.Outcome == Fail:
			fail++
		default:
			info++
		}
	}
	return ok, fail, info
}

// Package sandbox is a payment provider to develop and test against. It declines, is slow and loses answers as it
// is told to, by a seed and the payment's id, so that a run can be repeated. What it was asked it keeps in a
// journal file, so a restart forgets nothing.
//
//	POST /v1/payments/{id}/authorize|capture|void|refund   with Idempotency-Key; authorize has a body {order_id, amount_minor, currency},
//	                                                       and refund {amount_minor, currency}
//	GET  /v1/payments/{id}
//	GET  /sandbox/payments                          everything, for checkers
//
// It answers 402 with the payment when it declines: to authorize or, as of a hold that has run out, to capture,
// and to refund more than is left of what it took.
// A request that repeats its key gets the first answer and has no further effect. A capture with a new key on a
// captured payment takes the money again, as a naive provider might: that is what makes a double capture visible.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// ErrOptions is wrapped by errors about Options.
var ErrOptions = errors.New("sandbox: bad options")

// Options make a Sandbox.
type Options struct {
	Journal        string        // file to keep; empty: keep nothing
	Seed           uint64        // of everything below
	Latency        time.Duration // mean of every answer; each takes half to one and a half of it
	DeclinePercent float64       // of payments
	LostPercent    float64       // of requests that are carried out and then not answered
	Clock          clock.Clock   // nil: the system's
}

// Payment is what the provider knows of one payment.
type Payment struct {
	ID          string    `json:"id"`
	OrderID     string    `json:"order_id"`
	State       string    `json:"state"` // authorized, declined, captured or voided
	Reason      string    `json:"reason,omitempty"`
	Ref         string    `json:"ref"`
	AmountMinor int64     `json:"amount_minor"`
	Currency    string    `json:"currency"`
	Captures    []Capture `json:"captures"`
	Refunds     []Refund  `json:"refunds,omitempty"`
}

// Capture is one time that money was taken.
type Capture struct {
	ID          string    `json:"id"`
	AmountMinor int64     `json:"amount_minor"`
	At          time.Time `json:"at"`
}

// Refund is one time that money was given back.
type Refund struct {
	Key         string    `json:"key"` // the idempotency key of the request
	AmountMinor int64     `json:"amount_minor"`
	At          time.Time `json:"at"`
}

// left returns what can be refunded.
func (p Payment) left() int64 {
	var left int64
	for _, c := range p.Captures {
		left += c.AmountMinor
	}
	for _, r := range p.Refunds {
		left -= r.AmountMinor
	}
	return left
}

// errDeclined is a refund that is not made; nothing is kept of the request.
var errDeclined = errors.New("the refund is declined")

// Sandbox is a provider. It is safe for concurrent use.
type Sandbox struct {
	options Options
	journal *journal

	mu       sync.Mutex
	payments map[string]Payment
	answers  map[string]Payment // by payment and idempotency key
}

// New returns a Sandbox that knows what its journal says. Errors wrap ErrOptions, or are about the file.
func New(o Options) (*Sandbox, error) {
	switch {
	case o.DeclinePercent < 0 || o.DeclinePercent > 100 || o.LostPercent < 0 || o.LostPercent > 100:
		return nil, fmt.Errorf("%w: a percentage is 0 to 100", ErrOptions)
	case o.Latency < 0:
		return nil, fmt.Errorf("%w: latency is negative", ErrOptions)
	case o.Clock == nil:
		o.Clock = clock.System()
	}
	s := &Sandbox{options: o, payments: map[string]Payment{}, answers: map[string]Payment{}}
	var err error
	if s.journal, err = openJournal(o.Journal, s.apply); err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the journal; requests fail from then on.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.close()
}

// Payments returns all payments, by id.
func (s *Sandbox) Payments() []Payment {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Payment, 0, len(s.payments))
	for _, id := range slices.Sorted(maps.Keys(s.payments)) {
		out = append(out, s.payments[id])
	}
	return out
}

// record is one request that had an effect, and one line of the journal.
type record struct {
	Operation   string    `json:"op"`
	ID          string    `json:"id"`
	Key         string    `json:"key"`
	OrderID     string    `json:"order_id,omitempty"`
	AmountMinor int64     `json:"amount_minor,omitempty"`
	Currency    string    `json:"currency,omitempty"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	CaptureID   string    `json:"capture_id,omitempty"`
	At          time.Time `json:"at"`
}

// errConflict is a request that the payment's state does not allow.
var errConflict = errors.New("the payment's state does not allow it")

// do carries a request out; first is false when its key was used before.
func (s *Sandbox) do(r record) (p Payment, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.answers[r.ID+"/"+r.Key]; ok {
		return p, false, nil
	}
	known, ok := s.payments[r.ID]
	switch {
	case r.Operation == "authorize" && !ok:
		r.State = "authorized"
		if s.draw(r.ID, "decline")*100 < s.options.DeclinePercent {
			r.State = "declined"
			r.Reason = "INSUFFICIENT_FUNDS"
		}
	case r.Operation == "capture" && (known.State == "authorized" || known.State == "captured"):
		r.State = "captured"
		r.CaptureID = fmt.Sprintf("cap_%s_%d", strings.TrimPrefix(r.ID, "pay_"), len(known.Captures)+1)
	case r.Operation == "void" && known.State == "authorized":
		r.State = "voided"
	case r.Operation == "refund" && known.State == "captured":
		if r.Currency != known.Currency || r.AmountMinor > known.left() {
			return known, false, errDeclined
		}
		r.State = known.State
	default:
		return known, false, fmt.Errorf("%w: %s of a payment that is %q", errConflict, r.Operation, known.State)
	}
	r.At = s.options.Clock()
	line, err := json.Marshal(r)
	if err != nil {
		return known, false, fmt.Errorf("sandbox: encode journal: %w", err)
	}
	if err := s.journal.append(line); err != nil {
		return known, false, err
	}
	s.apply(r)
	return s.payments[r.ID], true, nil
}

// apply has the effect of a record; the caller holds the lock, or is the only one.
func (s *Sandbox) apply(r record) {
	p := s.payments[r.ID]
	if r.Operation == "authorize" {
		p = Payment{
			ID: r.ID, OrderID: r.OrderID, Ref: "sbx_" + strings.TrimPrefix(r.ID, "pay_"), Reason: r.Reason,
			AmountMinor: r.AmountMinor, Currency: r.Currency, Captures: []Capture{},
		}
	}
	p.State = r.State
	if r.CaptureID != "" {
		p.Captures = append(slices.Clone(p.Captures), Capture{ID: r.CaptureID, AmountMinor: p.AmountMinor, At: r.At})
	}
	if r.Operation == "refund" {
		p.Refunds = append(slices.Clone(p.Refunds), Refund{Key: r.Key, AmountMinor: r.AmountMinor, At: r.At})
	}
	s.payments[r.ID] = p
	s.answers[r.ID+"/"+r.Key] = p
}

// draw returns a number of [0, 1) that the seed, the payment and the purpose determine.
func (s *Sandbox) draw(id, purpose string) float64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s/%s", s.options.Seed, id, purpose) // a hash never fails
	x := h.Sum64()
	x ^= x >> 33 // finalizer of MurmurHash3: FNV alone mixes its last bytes badly
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

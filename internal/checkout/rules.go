package checkout

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// What a rule, or a price, must not do to a quote.
var (
	ErrNegative = errors.New("checkout: less than nothing to pay")
	ErrNoLine   = errors.New("checkout: no line has that SKU")
)

// Kind is what an adjustment is, for those who show it or book it.
type Kind string

// The kinds.
const (
	Discount Kind = "discount"
	Tax      Kind = "tax"
	Shipping Kind = "shipping"
)

// Adjustment is what a rule adds to a line or to the order, or takes off it.
type Adjustment struct {
	Source string // the rule, and what of it: promotion/three-for-two
	Kind   Kind
	SKU    string      // of the line that it belongs to; "": it belongs to the order as a whole
	Amount money.Money // what it adds; negative takes off
	Code   string      `json:",omitempty"` // that the shopper gave for it; "": it asks for none
}

// Rule is one step of pricing. It is given the quote as the rules before it left it, which is its own to read and to
// change without effect, and returns what it adjusts. It is pure: the same quote gives the same adjustments. Its error
// ends the quote and is returned as it is.
type Rule func(Quote) ([]Adjustment, error)

// Rules are a shop's rules in the order in which they apply. No rules is a shop in which everything costs its price.
type Rules []Rule

// Quote prices a cart by what its variants are offered at, and applies the rules. Items without an offer, or without a
// price, are in Quote.Unavailable and are no error. Errors: fault.Invalid (TOTAL_TOO_LARGE), fault.Internal
// (PRICING_DEFECT: a price or a rule broke what the package comment promises), and the rules' own.
func (r Rules) Quote(c Cart, offers map[string]Offer) (Quote, error) {
	q, err := price(c, offers)
	if err != nil {
		return Quote{}, err
	}
	for _, rule := range r {
		adjustments, err := rule(q.clone())
		if err != nil {
			return Quote{}, err
		}
		for _, a := range adjustments {
			q, err = q.with(a)
			if err != nil {
				return Quote{}, err
			}
		}
		// Checked after each rule rather than after the last, so that no later one makes up for a defect.
		if err := q.check(); err != nil {
			return Quote{}, err
		}
	}
	return q, nil
}

// clone keeps a rule's hands off the quote: it could otherwise change a line without an adjustment that says so.
func (q Quote) clone() Quote {
	q.Lines = slices.Clone(q.Lines)
	q.Unavailable = slices.Clone(q.Unavailable)
	q.Adjustments = slices.Clone(q.Adjustments)
	return q
}

// with adds an adjustment to its line, if it has one, and to the total. It is the only place that changes a total,
// which is why the parts sum to the whole. The lines are changed in place: nobody else has them yet.
func (q Quote) with(a Adjustment) (Quote, error) {
	if a.SKU != "" {
		i, found := slices.BinarySearchFunc(q.Lines, a.SKU, func(l Line, sku string) int { return strings.Compare(l.SKU, sku) })
		if !found {
			return Quote{}, refused(fmt.Errorf("%w: %s adjusts %q", ErrNoLine, a.Source, a.SKU))
		}
		total, err := q.Lines[i].Total.Add(a.Amount)
		if err != nil {
			return Quote{}, refused(fmt.Errorf("%s: %w", a.Source, err))
		}
		q.Lines[i].Total = total
	}
	total, err := q.Total.Add(a.Amount)
	if err != nil {
		return Quote{}, refused(fmt.Errorf("%s: %w", a.Source, err))
	}
	q.Total = total
	q.Adjustments = append(q.Adjustments, a)
	return q, nil
}

// check refuses a quote of less than nothing. It refuses rather than raising it to nothing: the parts would no longer
// sum to the whole, and nobody would learn that a rule gives away too much.
func (q Quote) check() error {
	for _, l := range q.Lines {
		if l.Total.Minor < 0 {
			return refused(fmt.Errorf("%w: %s for %q", ErrNegative, l.Total, l.SKU))
		}
	}
	if q.Total.Minor < 0 {
		return refused(fmt.Errorf("%w: %s in total", ErrNegative, q.Total))
	}
	return nil
}

// refused says whose fault it is that there is no quote: a shopper can buy less, and nothing else is hers to mend.
func refused(err error) error {
	if errors.Is(err, money.ErrOverflow) {
		return fault.Wrap(err, fault.Invalid, "TOTAL_TOO_LARGE", "the total of the order is too large")
	}
	return fault.Wrap(err, fault.Internal, "PRICING_DEFECT", "the cart cannot be priced; the fault is ours")
}

package checkout

import (
	"cmp"
	"maps"
	"slices"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Cart is what somebody means to buy, and the currency to price it in.
type Cart struct {
	Currency money.Currency
	Items    map[string]Item // by variant
}

// Item is how much of a variant is in a cart.
type Item struct {
	Quantity int64
	Seen     money.Money // what a unit cost when it was put in; zero: not known
}

// Offer is what a variant is called and costs now.
type Offer struct {
	SKU   string // "": its id
	Title string
	Price money.Money // of a unit; zero: it has none in the currency that was asked for
	Tags  []string    // of its product
}

// Line is one variant of a quote.
type Line struct {
	Variant   string
	SKU       string
	Title     string
	Quantity  int64
	UnitPrice money.Money
	Previous  money.Money // what a unit cost when it was put into the cart, if that was another price; else zero
	Amount    money.Money // unit price × quantity
	Total     money.Money // the amount and the adjustments of this line
	Tags      []string    // of its product, which others read too: not to be changed
}

// Reason says why an item is not available.
type Reason int

// The reasons.
const (
	NotSold Reason = iota + 1 // nobody sells the variant any more
	NoPrice                   // it has no price in the currency
)

// Unavailable is an item of the cart that became no line.
type Unavailable struct {
	Variant  string
	SKU      string // the id, where it is not sold
	Quantity int64
	Reason   Reason
}

// Quote is what a cart costs. The package comment says what holds of each.
type Quote struct {
	Currency    money.Currency
	Lines       []Line        // by SKU
	Unavailable []Unavailable // by SKU
	Adjustments []Adjustment  // in the order in which the rules made them
	Subtotal    money.Money   // of the lines' amounts
	Total       money.Money   // the subtotal and all adjustments
}

// price makes lines of the items that have an offer, and a total of the lines. No rule has a part in it.
func price(c Cart, offers map[string]Offer) (Quote, error) {
	none := money.Money{Currency: c.Currency}
	q := Quote{Currency: c.Currency, Subtotal: none, Total: none}
	for _, variant := range order(c, offers) {
		item := c.Items[variant]
		offer, sold := offers[variant]
		offer.SKU = cmp.Or(offer.SKU, variant)
		switch {
		case !sold:
			q.Unavailable = append(q.Unavailable, Unavailable{variant, offer.SKU, item.Quantity, NotSold})
			continue
		case offer.Price == (money.Money{}):
			q.Unavailable = append(q.Unavailable, Unavailable{variant, offer.SKU, item.Quantity, NoPrice})
			continue
		}
		line, err := lineOf(variant, item, offer)
		if err != nil {
			return Quote{}, err
		}
		// A price in another currency fails here, since the subtotal is in the cart's.
		q.Subtotal, err = q.Subtotal.Add(line.Amount)
		if err != nil {
			return Quote{}, refused(err)
		}
		q.Lines = append(q.Lines, line)
	}
	q.Total = q.Subtotal
	return q, q.check()
}

// order returns the variants of a cart by SKU, so that neither the answer nor which of two errors is reported depends on the
// order of a map.
func order(c Cart, offers map[string]Offer) []string {
	return slices.SortedFunc(maps.Keys(c.Items), func(a, b string) int {
		return cmp.Or(cmp.Compare(cmp.Or(offers[a].SKU, a), cmp.Or(offers[b].SKU, b)), cmp.Compare(a, b))
	})
}

func lineOf(variant string, item Item, offer Offer) (Line, error) {
	amount, err := offer.Price.Times(item.Quantity)
	if err != nil {
		return Line{}, refused(err)
	}
	line := Line{Variant: variant, SKU: offer.SKU, Title: offer.Title, Quantity: item.Quantity, UnitPrice: offer.Price, Amount: amount, Total: amount, Tags: offer.Tags}
	// Two currencies are not compared: who changed the account's currency saw no price change.
	if item.Seen.Currency == offer.Price.Currency && item.Seen != offer.Price {
		line.Previous = item.Seen
	}
	return line, nil
}

// Orderable says whether an order can be placed at this quote. Errors: fault.FailedPrecondition (CART_EMPTY,
// SKU_NOT_SOLD, PRICE_MISSING).
func (q Quote) Orderable() error {
	// One item is named even where several are missing: the quote itself lists them all.
	if len(q.Unavailable) > 0 {
		u := q.Unavailable[0]
		if u.Reason == NoPrice {
			return fault.New(fault.FailedPrecondition, "PRICE_MISSING", "SKU %s has no price in %s", u.SKU, q.Currency).With("sku", u.SKU).With("variant_id", u.Variant)
		}
		return fault.New(fault.FailedPrecondition, "SKU_NOT_SOLD", "SKU %s is not sold any more; remove it from the cart", u.SKU).With("sku", u.SKU).With("variant_id", u.Variant)
	}
	if len(q.Lines) == 0 {
		return fault.New(fault.FailedPrecondition, "CART_EMPTY", "the cart is empty; add an item first")
	}
	return nil
}

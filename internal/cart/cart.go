// Package cart keeps what a user means to buy: one row at home that changes as a whole, so that its version is
// its etag and its history is that of a single register.
package cart

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Limits of a cart.
const (
	MaxQuantity = 99
	MaxItems    = 100
	MaxCodes    = 5
)

// Cart is a user's cart. The zero Cart is empty and was never written.
type Cart struct {
	Items    map[string]int64       // units by variant
	Prices   map[string]money.Money // what a unit cost when it was put in, by variant; missing where that is not known
	Currency money.Currency         // that its owner changed to; "": the one that she began with
	Codes    []string               // of promotions, sorted; nil: none
	Version  int64
}

// Variants returns the ids of what is in the cart, sorted.
func (c Cart) Variants() []string { return slices.Sorted(maps.Keys(c.Items)) }

// Checkout returns the cart as the checkout room prices it: in its own currency, or else in the one that its owner's access
// token names, which may be older than her last change.
func (c Cart) Checkout(token money.Currency) checkout.Cart {
	items := make(map[string]checkout.Item, len(c.Items))
	for variant, quantity := range c.Items {
		items[variant] = checkout.Item{Quantity: quantity, Seen: c.Prices[variant]}
	}
	return checkout.Cart{Currency: cmp.Or(c.Currency, token), Items: items}
}

// Etag names this state of the cart.
func (c Cart) Etag() string { return "v" + strconv.FormatInt(c.Version, 10) }

// Matches checks an etag that a caller sent along; an empty one matches. The error is fault.Aborted.
func (c Cart) Matches(etag string) error {
	if etag != "" && etag != c.Etag() {
		return fault.New(fault.Aborted, "CART_CHANGED", "the cart changed since you read it; read it again").With("etag", c.Etag())
	}
	return nil
}

// With returns the cart with that many units of a variant, which costs price now (zero: not known); 0 units remove it.
// Setting what is already so returns the same version, at the price of then. Errors are fault.Invalid.
func (c Cart) With(variant string, quantity int64, price money.Money) (Cart, error) {
	switch {
	case quantity < 0 || quantity > MaxQuantity:
		return c, fault.New(fault.Invalid, "QUANTITY_INVALID", "quantity is 0 to %d", MaxQuantity)
	case c.Items[variant] == quantity:
		return c, nil
	case c.Items[variant] == 0 && len(c.Items) >= MaxItems:
		return c, fault.New(fault.Invalid, "CART_FULL", "a cart holds at most %d different items", MaxItems)
	}
	next := c
	next.Items, next.Prices, next.Version = map[string]int64{}, map[string]money.Money{}, c.Version+1
	for other, units := range c.Items {
		if other != variant {
			next.put(other, units, c.Prices[other])
		}
	}
	if quantity > 0 {
		next.put(variant, quantity, price)
	}
	return next, nil
}

// WithCode returns the cart with a promotion code, which is in its one form. With one that it has already it is the same
// version. The error is fault.Invalid.
func (c Cart) WithCode(code string) (Cart, error) {
	switch {
	case slices.Contains(c.Codes, code):
		return c, nil
	case len(c.Codes) >= MaxCodes:
		return c, fault.New(fault.Invalid, "PROMOTION_CODES_TOO_MANY", "a cart holds at most %d promotion codes; remove one first", MaxCodes)
	}
	c.Codes = slices.Sorted(slices.Values(append([]string{code}, c.Codes...)))
	c.Version++
	return c, nil
}

// WithoutCode returns the cart without a promotion code, however it is written. Without one that it does not have it is the
// same version.
func (c Cart) WithoutCode(code string) Cart {
	var left []string
	for _, other := range c.Codes {
		if !strings.EqualFold(other, strings.TrimSpace(code)) {
			left = append(left, other)
		}
	}
	if len(left) < len(c.Codes) {
		c.Codes = left
		c.Version++
	}
	return c
}

// put is for a cart that nobody else has yet.
func (c Cart) put(variant string, quantity int64, price money.Money) {
	c.Items[variant] = quantity
	if price != (money.Money{}) {
		c.Prices[variant] = price
	}
}

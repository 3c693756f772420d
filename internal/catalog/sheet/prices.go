package sheet

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// maxMinor is the highest price, in minor units of any currency, that is not taken for a slip of the keyboard.
const maxMinor = 10_000_000_000

// Rate prices a file in a further currency: minor units of To are minor units of the file's currency times
// Numerator over Denominator, rounded half up, and at least one where the original is not zero.
// At 150 yen to the dollar a cent is 3/2 yen, so USD to JPY is {"JPY", 3, 2}.
type Rate struct {
	To                     money.Currency
	Numerator, Denominator int64
}

// Pricing turns prices of a file into prices in every currency that was asked for.
type Pricing struct {
	base  money.Currency
	rates []Rate
}

// NewPricing checks currencies and rates; errors are *fault.Error.
func NewPricing(o Options) (Pricing, error) {
	p := Pricing{base: o.Currency, rates: o.Rates}
	if p.base == "" {
		p.base = "USD"
	}
	seen := map[money.Currency]bool{}
	for _, c := range p.currencies() {
		if known, err := money.ParseCurrency(string(c)); err != nil || known != c {
			return Pricing{}, fault.New(fault.Invalid, "UNKNOWN_CURRENCY", "%q is not the code of a known currency", c)
		}
		if seen[c] {
			return Pricing{}, fault.New(fault.Invalid, "CURRENCY_TWICE", "the import would price in %s twice", c)
		}
		seen[c] = true
	}
	for _, r := range p.rates {
		if r.Numerator <= 0 || r.Denominator <= 0 {
			return Pricing{}, fault.New(fault.Invalid, "BAD_RATE",
				"the rate to %s is %d/%d; both must be positive", r.To, r.Numerator, r.Denominator)
		}
	}
	return p, nil
}

// Base is the currency of the file's prices.
func (p Pricing) Base() money.Currency { return p.base }

// Converts reports whether prices are converted from the file's currency to others.
func (p Pricing) Converts() bool { return len(p.rates) > 0 }

func (p Pricing) currencies() []money.Currency {
	all := []money.Currency{p.base}
	for _, r := range p.rates {
		all = append(all, r.To)
	}
	return all
}

// Parse reads a price in a currency, which stands in a column of the row.
func (p Pricing) Parse(r Row, c Column, text string, in money.Currency) (money.Money, error) {
	price, err := money.Parse(text, in)
	switch {
	case thousands(text, in):
		return money.Money{}, r.Fault(c, ReasonPrice, "%s may be in thousands; write it with %s", Quote(text), digits(in))
	case errors.Is(err, money.ErrOverflow), err == nil && price.Minor > maxMinor:
		return money.Money{}, r.Fault(c, ReasonPrice, "%s is over the limit of %s",
			Quote(text), money.Money{Minor: maxMinor, Currency: in})
	case err != nil:
		return money.Money{}, r.Fault(c, ReasonPrice, "%s is not an amount of %s; write it with %s", Quote(text), in, digits(in))
	case strings.HasPrefix(text, "-"):
		return money.Money{}, r.Fault(c, ReasonPrice, "%s is negative", Quote(text))
	}
	return price, nil
}

// thousands reports whether what looks like decimals, more than the currency has, may as well be the last of a number of
// thousands, as many languages write it: 1.500 for fifteen hundred. As a decimal it would cost a thousandth.
func thousands(text string, in money.Currency) bool {
	whole, fraction, _ := strings.Cut(text, ".")
	n := len(strings.TrimLeft(whole, "-0"))
	return len(fraction) == 3 && in.Exponent() < 3 && 1 <= n && n <= 3
}

// Convert returns a price in every currency, its own first. Only those of the file's own are converted.
func (p Pricing) Convert(r Row, c Column, price money.Money) ([]money.Money, error) {
	all := []money.Money{price}
	if price.Currency != p.base {
		return all, nil
	}
	for _, rate := range p.rates {
		converted, ok := rate.convert(price.Minor)
		if !ok {
			return nil, r.Fault(c, ReasonPrice, "%s is over the limit of %s once converted",
				price, money.Money{Minor: maxMinor, Currency: rate.To})
		}
		all = append(all, money.Money{Minor: converted, Currency: rate.To})
	}
	return all, nil
}

// convert applies the rate to an amount that is not negative; false: the result is over maxMinor.
func (r Rate) convert(minor int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(minor), uint64(r.Numerator))
	half := uint64(r.Denominator) / 2
	lo, carry := bits.Add64(lo, half, 0)
	if hi += carry; hi >= uint64(r.Denominator) {
		return 0, false
	}
	quotient, _ := bits.Div64(hi, lo, uint64(r.Denominator))
	if quotient > maxMinor {
		return 0, false
	}
	if quotient == 0 && minor > 0 {
		quotient = 1
	}
	return int64(quotient), true
}

// digits describes a currency's plain decimals to people.
func digits(c money.Currency) string {
	if c.Exponent() == 0 {
		return "digits alone, such as 1290"
	}
	return fmt.Sprintf("digits and at most %d decimals, such as 129.%s", c.Exponent(), strings.Repeat("9", c.Exponent()))
}

package shopify

import (
	"errors"
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

// pricing turns a price cell into one price per currency.
type pricing struct {
	base  money.Currency
	rates []Rate
}

// newPricing checks currencies and rates; errors are *fault.Error.
func newPricing(o Options) (pricing, error) {
	p := pricing{base: o.Currency, rates: o.Rates}
	if p.base == "" {
		p.base = "USD"
	}
	seen := map[money.Currency]bool{}
	for _, c := range p.currencies() {
		if known, err := money.ParseCurrency(string(c)); err != nil || known != c {
			return pricing{}, fault.New(fault.Invalid, "UNKNOWN_CURRENCY", "%q is not the code of a known currency", c)
		}
		if seen[c] {
			return pricing{}, fault.New(fault.Invalid, "CURRENCY_TWICE", "the import would price in %s twice", c)
		}
		seen[c] = true
	}
	for _, r := range p.rates {
		if r.Numerator <= 0 || r.Denominator <= 0 {
			return pricing{}, fault.New(fault.Invalid, "BAD_RATE",
				"the rate to %s is %d/%d; both must be positive", r.To, r.Numerator, r.Denominator)
		}
	}
	return p, nil
}

func (p pricing) currencies() []money.Currency {
	all := []money.Currency{p.base}
	for _, r := range p.rates {
		all = append(all, r.To)
	}
	return all
}

// prices reads the row's price in every currency, the file's own first.
func (p pricing) prices(r row) ([]money.Money, error) {
	text := r.cell(priceColumn)
	if text == "" {
		return nil, r.fault(priceColumn, ReasonMissing, "a variant needs a price")
	}
	price, err := money.Parse(text, p.base)
	switch {
	case errors.Is(err, money.ErrOverflow), err == nil && price.Minor > maxMinor:
		return nil, r.fault(priceColumn, ReasonPrice, "%s is over the limit of %s",
			quote(text), money.Money{Minor: maxMinor, Currency: p.base})
	case err != nil:
		return nil, r.fault(priceColumn, ReasonPrice, "%s is not an amount of %s; write it with %s",
			quote(text), p.base, digits(p.base))
	case strings.HasPrefix(text, "-"):
		return nil, r.fault(priceColumn, ReasonPrice, "%s is negative", quote(text))
	}
	all := []money.Money{price}
	for _, rate := range p.rates {
		converted, ok := rate.convert(price.Minor)
		if !ok {
			return nil, r.fault(priceColumn, ReasonPrice, "%s is over the limit of %s once converted",
				quote(text), money.Money{Minor: maxMinor, Currency: rate.To})
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
	switch c.Exponent() {
	case 0:
		return "digits alone, such as 1290"
	case 3:
		return "digits and at most three decimals, such as 12.990"
	default:
		return "digits and at most two decimals, such as 129.99"
	}
}

package cli

import (
	"maps"
	"math/big"
	"slices"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// baseCurrency reads --currency.
func baseCurrency(code string) (money.Currency, error) {
	c, err := money.ParseCurrency(code)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "--currency is an ISO 4217 code such as EUR")
	}
	return c, nil
}

// importOptions reads --currency, --rate and --market. Rates are exact: 0.92 is 23/25.
func importOptions(currency string, rates, markets map[string]string) (sheet.Options, error) {
	base, err := baseCurrency(currency)
	if err != nil {
		return sheet.Options{}, err
	}
	o := sheet.Options{Currency: base, Markets: map[string]money.Currency{}}
	for name, code := range markets {
		if o.Markets[name], err = money.ParseCurrency(code); err != nil {
			return o, fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "--market %s=%s names no currency", name, code)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		to, err := money.ParseCurrency(name)
		if err != nil {
			return o, fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "--rate %s=… names no currency", name)
		}
		rate, ok := new(big.Rat).SetString(rates[name])
		if !ok || rate.Sign() <= 0 {
			return o, fault.New(fault.Invalid, "RATE_INVALID", "--rate %s=%s is not a positive number", name, rates[name])
		}
		minor := rate.Mul(rate, new(big.Rat).Quo(minorUnits(to), minorUnits(base)))
		if !minor.Num().IsInt64() || !minor.Denom().IsInt64() {
			return o, fault.New(fault.Invalid, "RATE_INVALID", "--rate %s=%s has too many digits", name, rates[name])
		}
		o.Rates = append(o.Rates, sheet.Rate{To: to, Numerator: minor.Num().Int64(), Denominator: minor.Denom().Int64()})
	}
	return o, nil
}

// minorUnits is how many minor units one unit of a currency has.
func minorUnits(c money.Currency) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Exponent())), nil))
}

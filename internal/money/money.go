// Package money holds amounts as integer minor units of an ISO 4217 currency, and never as floats.
package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Currency is an ISO 4217 alphabetic code that this package knows.
type Currency string

// Money is an amount. The zero value is no money in no currency.
type Money struct {
	Minor    int64 // minor units: cents of USD, yen of JPY
	Currency Currency
}

// The errors of this package; messages add the value at fault.
var (
	ErrCurrency = errors.New("money: unknown currency")
	ErrMismatch = errors.New("money: different currencies")
	ErrOverflow = errors.New("money: amount does not fit 64 bits")
	ErrSyntax   = errors.New("money: not a decimal amount")
)

// exponents gives the digits after the decimal point (ISO 4217, list one) of the currencies that can be priced.
var exponents = map[Currency]int{
	"AED": 2, "ARS": 2, "AUD": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2, "COP": 2, "CZK": 2,
	"DKK": 2, "EGP": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2, "ISK": 0, "JOD": 3,
	"JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "MAD": 2, "MXN": 2, "MYR": 2, "NGN": 2, "NOK": 2, "NZD": 2, "OMR": 3,
	"PEN": 2, "PHP": 2, "PLN": 2, "RON": 2, "SAR": 2, "SEK": 2, "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2,
	"USD": 2, "VND": 0, "ZAR": 2,
}

// ParseCurrency checks a currency code. Lower case is accepted.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(strings.ToUpper(s))
	if _, ok := exponents[c]; !ok {
		return "", fmt.Errorf("%w %q", ErrCurrency, s)
	}
	return c, nil
}

// Exponent returns how many digits follow the decimal point.
func (c Currency) Exponent() int { return exponents[c] }

// Parse reads a plain decimal such as 129.99 as an amount of c. More digits than the currency has is an
// error rather than a rounding, unless they are zeros.
func Parse(s string, c Currency) (Money, error) {
	exp, ok := exponents[c]
	if !ok {
		return Money{}, fmt.Errorf("%w %q", ErrCurrency, c)
	}
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if len(fraction) > exp {
		if strings.Trim(fraction[exp:], "0") != "" {
			return Money{}, fmt.Errorf("%w: %.40q has more than %d digits after the point", ErrSyntax, s, exp)
		}
		fraction = fraction[:exp]
	}
	all := whole + fraction + strings.Repeat("0", exp-len(fraction))
	if whole == "" || strings.Trim(all, "0123456789") != "" {
		return Money{}, fmt.Errorf("%w: %.40q", ErrSyntax, s)
	}
	if negative {
		all = "-" + all
	}
	minor, err := strconv.ParseInt(all, 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("%w: %.40q", ErrOverflow, s)
	}
	return Money{Minor: minor, Currency: c}, nil
}

// String renders an amount for people: 129.99 USD.
func (m Money) String() string {
	exp := m.Currency.Exponent()
	sign := ""
	abs := uint64(m.Minor)
	if m.Minor < 0 {
		sign = "-"
		abs = -uint64(m.Minor)
	}
	digits := strconv.FormatUint(abs, 10)
	if len(digits) <= exp {
		digits = strings.Repeat("0", exp+1-len(digits)) + digits
	}
	if exp > 0 {
		digits = digits[:len(digits)-exp] + "." + digits[len(digits)-exp:]
	}
	return sign + digits + " " + string(m.Currency)
}

// Add returns m + n. Errors are ErrMismatch and ErrOverflow.
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, fmt.Errorf("%w: %s and %s", ErrMismatch, m.Currency, n.Currency)
	}
	sum := m.Minor + n.Minor
	if (n.Minor > 0 && sum < m.Minor) || (n.Minor < 0 && sum > m.Minor) {
		return Money{}, fmt.Errorf("%w: %s + %s", ErrOverflow, m, n)
	}
	return Money{Minor: sum, Currency: m.Currency}, nil
}

// Times returns m multiplied by a quantity that is not negative. The error is ErrOverflow.
func (m Money) Times(quantity int64) (Money, error) {
	product := m.Minor * quantity
	if quantity < 0 || (m.Minor != 0 && product/m.Minor != quantity) {
		return Money{}, fmt.Errorf("%w: %d × %s", ErrOverflow, quantity, m)
	}
	return Money{Minor: product, Currency: m.Currency}, nil
}

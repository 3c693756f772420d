// Package money holds amounts as integer minor units of an ISO 4217 currency, and never as floats. Which currencies and
// countries there are is a library's to know, so that a new one comes with its release.
package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// Currency is an ISO 4217 alphabetic code.
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

// ParseCurrency checks a currency code. Lower case is accepted.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(strings.ToUpper(s))
	if _, ok := c.digits(); !ok {
		return "", fmt.Errorf("%w %q", ErrCurrency, s)
	}
	return c, nil
}

// CurrencyOf returns the currency of a country (ISO 3166-1 alpha-2, upper case), as Unicode's CLDR has it. It is false for
// what is no country, and for one without a currency.
func CurrencyOf(country string) (Currency, bool) {
	code, ok := currency.ForCountryCode(country)
	return Currency(code), ok
}

// Exponent returns how many digits follow the decimal point.
func (c Currency) Exponent() int {
	n, _ := c.digits()
	return n
}

// digits is false for what ISO 4217 does not list, or lists without minor units, such as gold.
func (c Currency) digits() (int, bool) {
	n, ok := currency.GetDigits(string(c))
	return int(n), ok
}

// Parse reads a plain decimal such as 129.99 as an amount of c. More digits than the currency has is an
// error rather than a rounding, unless they are zeros.
func Parse(s string, c Currency) (Money, error) {
	exp, ok := c.digits()
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

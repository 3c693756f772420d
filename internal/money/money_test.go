package money_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text     string
		currency money.Currency
		want     int64
		err      error
	}{
		{"129.99", "USD", 12999, nil},
		{"0", "USD", 0, nil},
		{"-0", "USD", 0, nil},
		{"7", "USD", 700, nil},
		{"7.5", "USD", 750, nil},
		{"-7.05", "USD", -705, nil},
		{"0.01", "USD", 1, nil},
		{"007.10", "USD", 710, nil},
		{"1200", "JPY", 1200, nil},
		{"1200.00", "JPY", 1200, nil},
		{"1.234", "KWD", 1234, nil},
		{"1.2340000000000000000000000", "KWD", 1234, nil},
		{"92233720368547758.07", "USD", math.MaxInt64, nil},
		{"-92233720368547758.08", "USD", math.MinInt64, nil},
		{"92233720368547758.08", "USD", 0, money.ErrOverflow},
		{"-92233720368547758.09", "USD", 0, money.ErrOverflow},
		{strings.Repeat("9", 1000), "USD", 0, money.ErrOverflow},
		{"1.005", "USD", 0, money.ErrSyntax},
		{"1200.5", "JPY", 0, money.ErrSyntax},
		{"", "USD", 0, money.ErrSyntax},
		{"-", "USD", 0, money.ErrSyntax},
		{".", "USD", 0, money.ErrSyntax},
		{".50", "USD", 0, money.ErrSyntax},
		{"--1", "USD", 0, money.ErrSyntax},
		{"+1", "USD", 0, money.ErrSyntax},
		{"1.-5", "USD", 0, money.ErrSyntax},
		{"1.2.3", "USD", 0, money.ErrSyntax},
		{"1,50", "USD", 0, money.ErrSyntax},
		{"1e3", "USD", 0, money.ErrSyntax},
		{"1_000", "USD", 0, money.ErrSyntax},
		{"0x10", "USD", 0, money.ErrSyntax},
		{" 1", "USD", 0, money.ErrSyntax},
		{"$1", "USD", 0, money.ErrSyntax},
		{"NaN", "USD", 0, money.ErrSyntax},
		{"١", "USD", 0, money.ErrSyntax}, // a digit of another script
		{"1", "XXX", 0, money.ErrCurrency},
		{"1", "usd", 0, money.ErrCurrency},
		{"1", "", 0, money.ErrCurrency},
	} {
		got, err := money.Parse(c.text, c.currency)
		want := money.Money{Minor: c.want, Currency: c.currency}
		if c.err != nil {
			want = money.Money{}
		}
		if !errors.Is(err, c.err) || got != want {
			t.Errorf("Parse(%.40q, %s) = %+v, %v; want %+v, %v", c.text, c.currency, got, err, want, c.err)
		}
	}
}

func TestParseCurrency(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"USD", "eur", "Jpy", "KWD"} {
		if c, err := money.ParseCurrency(text); err != nil || c != money.Currency(strings.ToUpper(text)) {
			t.Errorf("ParseCurrency(%s) = %s, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "US", "USDX", " USD", "XXX", "XAU", "HRK", "€"} {
		if c, err := money.ParseCurrency(text); !errors.Is(err, money.ErrCurrency) || c != "" {
			t.Errorf("ParseCurrency(%q) = %q, %v, want ErrCurrency", text, c, err)
		}
	}
}

// Minor units are ISO 4217's, where Unicode's data says how many are shown.
func TestExponent(t *testing.T) {
	t.Parallel()
	for code, want := range map[money.Currency]int{
		"USD": 2, "GBP": 2, "CHF": 2, "INR": 2, "HUF": 2, "TWD": 2, "LBP": 2, "COP": 2, // of which cash has fewer
		"JPY": 0, "KRW": 0, "VND": 0, "ISK": 0, "CLP": 0, "UGX": 0, "XAF": 0, "PYG": 0,
		"KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3, "LYD": 3, "IQD": 3,
		"CLF": 4,
	} {
		c, err := money.ParseCurrency(string(code))
		if err != nil || c != code || c.Exponent() != want {
			t.Errorf("%s: %d digits, %v; want %d", code, c.Exponent(), err, want)
		}
	}
}

func TestCurrencyOf(t *testing.T) {
	t.Parallel()
	for country, want := range map[string]money.Currency{
		"IE": "EUR", "HR": "EUR", "BG": "EUR", "XK": "EUR", "GB": "GBP", "IM": "GBP", "CH": "CHF", "LI": "CHF", "IN": "INR", "KW": "KWD",
		"JP": "JPY", "SG": "SGD", "US": "USD", "EC": "USD", "CI": "XOF", "PF": "XPF", "CW": "XCG", "SL": "SLE", "VE": "VES",
	} {
		if got, ok := money.CurrencyOf(country); got != want || !ok {
			t.Errorf("CurrencyOf(%q) = %q, %t, want %s", country, got, ok, want)
		}
	}
	for _, country := range []string{"", "ie", "EU", "UK", "ZZ", "XX", "AQ", "GBR", " GB"} { // Antarctica has none
		if got, ok := money.CurrencyOf(country); got != "" || ok {
			t.Errorf("CurrencyOf(%q) = %q, %t", country, got, ok)
		}
	}
}

// Whatever country somebody is in, her currency can be priced in; and no country has lost the one that it had in older data.
func TestEveryCountry(t *testing.T) {
	t.Parallel()
	countries := 0
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			country := string(first) + string(second)
			own, ok := money.CurrencyOf(country)
			if !ok {
				// EA is a part of Spain, and no code of ISO 3166.
				if r, err := language.ParseRegion(country); err == nil && r.IsCountry() && r.String() == country && country != "EA" {
					if unit, has := currency.FromRegion(r); has && unit != currency.XXX {
						t.Errorf("%s has no currency; it had %s", country, unit)
					}
				}
				continue
			}
			countries++
			if c, err := money.ParseCurrency(string(own)); err != nil || c != own {
				t.Errorf("%s: %q, %v", country, c, err)
			}
		}
	}
	if countries < 240 {
		t.Errorf("%d countries have a currency", countries)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]money.Money{
		"129.99 USD":                {Minor: 12999, Currency: "USD"},
		"0.00 USD":                  {Currency: "USD"},
		"0.05 USD":                  {Minor: 5, Currency: "USD"},
		"-0.05 USD":                 {Minor: -5, Currency: "USD"},
		"1200 JPY":                  {Minor: 1200, Currency: "JPY"},
		"0 JPY":                     {Currency: "JPY"},
		"0.001 KWD":                 {Minor: 1, Currency: "KWD"},
		"92233720368547758.07 EUR":  {Minor: math.MaxInt64, Currency: "EUR"},
		"-92233720368547758.08 EUR": {Minor: math.MinInt64, Currency: "EUR"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%d minor units are %q, want %q", m.Minor, got, want)
		}
	}
}

func TestAddRefusesOtherCurrencies(t *testing.T) {
	t.Parallel()
	_, err := money.Money{Minor: 1, Currency: "USD"}.Add(money.Money{Minor: 1, Currency: "EUR"})
	if !errors.Is(err, money.ErrMismatch) {
		t.Errorf("USD + EUR: %v", err)
	}
}

func TestTimesRefusesNegativeQuantities(t *testing.T) {
	t.Parallel()
	for _, minor := range []int64{0, 1, -1, math.MinInt64} {
		if got, err := (money.Money{Minor: minor, Currency: "USD"}).Times(-1); err == nil {
			t.Errorf("%d times -1 is %s", minor, got)
		}
	}
}

// amount draws minor units, the ends of the range often.
func amount(t *rapid.T, label string) money.Money {
	minor := rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1000, 1000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64 / 2, math.MaxInt64 / 2}),
	).Draw(t, label)
	return money.Money{Minor: minor, Currency: "USD"}
}

func TestTextIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := amount(t, "minor")
		m.Currency = rapid.SampledFrom([]money.Currency{"USD", "JPY", "KWD"}).Draw(t, "currency")
		number, _, _ := strings.Cut(m.String(), " ")
		if back, err := money.Parse(number, m.Currency); err != nil || back != m {
			t.Fatalf("%+v is %q, which reads as %+v, %v", m, m, back, err)
		}
	})
}

// Add and Times agree with arithmetic that cannot overflow, or say that they would.
func TestArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	check := func(t *rapid.T, what string, got money.Money, err error, exact *big.Int) {
		t.Helper()
		switch {
		case exact.IsInt64() && (err != nil || got.Minor != exact.Int64() || got.Currency != "USD"):
			t.Fatalf("%s = %+v, %v; want %s", what, got, err, exact)
		case !exact.IsInt64() && !errors.Is(err, money.ErrOverflow):
			t.Fatalf("%s = %+v, %v; %s does not fit", what, got, err, exact)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := amount(t, "a"), amount(t, "b")
		n := rapid.OneOf(rapid.Int64Range(0, 99), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "n")
		bigA, bigB := big.NewInt(a.Minor), big.NewInt(b.Minor)
		sum, err := a.Add(b)
		check(t, "Add", sum, err, new(big.Int).Add(bigA, bigB))
		product, err := a.Times(n)
		check(t, "Times", product, err, new(big.Int).Mul(bigA, big.NewInt(n)))
	})
}

// What Parse accepts has exactly the value that the text states.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"129.99", "-0.5", "1.", "00", "1.000", "9223372036854775807", "1e5", "١"} {
		f.Add(text, "USD")
		f.Add(text, "JPY")
	}
	f.Fuzz(func(t *testing.T, text, currency string) {
		m, err := money.Parse(text, money.Currency(currency))
		if err != nil {
			return
		}
		stated, ok := new(big.Rat).SetString(text)
		if !ok || strings.ContainsAny(text, "eEpPxX_/+") {
			t.Fatalf("Parse accepted %q as %s", text, m)
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(m.Currency.Exponent())), nil)
		if got := new(big.Rat).SetFrac(big.NewInt(m.Minor), scale); got.Cmp(stated) != 0 {
			t.Fatalf("Parse(%q) = %s", text, m)
		}
	})
}

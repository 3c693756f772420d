// Package account keeps who the users are. A user's rows live in a home region that the location at sign-up
// chooses; a GLOBAL directory, keyed by an HMAC of the e-mail address, tells every region where that is.
package account

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/plaintext"
	"github.com/meridian-commerce/meridian/regions"
)

// Account is one user.
type Account struct {
	ID          string
	Home        regions.Name
	Email       string // normalized
	DisplayName string
	Country     string // ISO 3166-1 alpha-2, or empty
	Currency    money.Currency
	CreatedAt   time.Time
}

// Limits of what a sign-up may say, in characters.
const (
	MinPassword    = 10
	MaxPassword    = 256
	MaxDisplayName = 100
	maxEmail       = 254 // RFC 5321
)

// euroCountries pay in EUR (the euro area, ISO 3166-1 alpha-2).
var euroCountries = []string{
	"AD", "AT", "BE", "BG", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV", "MC",
	"ME", "MT", "NL", "PT", "SI", "SK", "SM", "VA", "XK",
}

// CurrencyOf returns what prices are shown in by default to callers of a country.
func CurrencyOf(country string) money.Currency {
	switch {
	case slices.Contains(euroCountries, country):
		return "EUR"
	case country == "SG":
		return "SGD"
	case country == "JP":
		return "JPY"
	}
	return "USD"
}

// NormalizeEmail checks an e-mail address and returns the form that identifies an account: without a display
// name, in lower case. The error is fault.Invalid.
func NormalizeEmail(s string) (string, error) {
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Name != "" || len(s) > maxEmail || parsed.Address != strings.TrimSpace(s) {
		return "", fault.New(fault.Invalid, "EMAIL_INVALID", "email is not an e-mail address such as ada@example.com")
	}
	return strings.ToLower(parsed.Address), nil
}

func checkPassword(s string) error {
	if n := utf8.RuneCountInString(s); n < MinPassword || n > MaxPassword {
		return fault.New(fault.Invalid, "PASSWORD_LENGTH", "password has %d to %d characters", MinPassword, MaxPassword)
	}
	return nil
}

func checkDisplayName(s string) error {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxDisplayName {
		return fault.New(fault.Invalid, "DISPLAY_NAME_LENGTH", "display_name has at most %d characters", MaxDisplayName)
	}
	if strings.ContainsFunc(s, plaintext.Deceives) {
		return fault.New(fault.Invalid, "DISPLAY_NAME_INVALID", "display_name has no control characters, line breaks or changes of the direction of writing")
	}
	return nil
}

// Package account keeps who the users are. A user's rows live in a home region that the location at sign-up
// chooses; a GLOBAL directory, keyed by an HMAC of the e-mail address, tells every region where that is.
package account

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

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

// Limits of what a sign-up may say, in characters: code points of the composed form.
const (
	MinPassword    = 10
	MaxPassword    = 256
	MaxDisplayName = 100
)

// currencyFor returns what somebody in a country is shown prices in: the country's currency, if something is sold in it, else
// the fallback, else the first of what the shop sells in. sold is in the order of codes; where it is empty, nothing has a price
// yet and the fallback it is.
func currencyFor(country string, sold []money.Currency, fallback money.Currency) money.Currency {
	own, _ := money.CurrencyOf(country)
	for _, c := range []money.Currency{own, fallback} {
		if slices.Contains(sold, c) {
			return c
		}
	}
	if len(sold) > 0 {
		return sold[0]
	}
	return fallback
}

// passwords returns the forms in which a password may have been hashed, the likeliest first: in the one that all ways of
// typing it have (RFC 8265), and as it is, which former releases hashed. normal is false if it has no such form.
func passwords(typed string) (forms []string, normal bool) {
	form, err := precis.OpaqueString.String(typed)
	switch {
	case err != nil:
		return []string{typed}, false
	case form == typed:
		return []string{form}, true
	}
	return []string{form, typed}, true
}

// newPassword returns the form of a new password. Errors are fault.Invalid (PASSWORD_INVALID, PASSWORD_LENGTH).
func newPassword(typed string) (string, error) {
	forms, normal := passwords(typed)
	if !normal && typed != "" {
		return "", fault.New(fault.Invalid, "PASSWORD_INVALID", "password has no control characters, line breaks, or characters that Unicode does not know")
	}
	if n := utf8.RuneCountInString(forms[0]); n < MinPassword || n > MaxPassword {
		return "", fault.New(fault.Invalid, "PASSWORD_LENGTH", "password has %d to %d characters", MinPassword, MaxPassword)
	}
	return forms[0], nil
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

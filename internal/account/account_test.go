package account_test

import (
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ada@example.com":           "ada@example.com",
		"Ada.Lovelace@Example.COM":  "ada.lovelace@example.com",
		"ada+shop@example.com":      "ada+shop@example.com", // another mailbox at some providers
		"o'hara@sub.example.co.uk":  "o'hara@sub.example.co.uk",
		"JÖRG@bücher.example":       "jörg@bücher.example",
		"x@" + long(252):            "x@" + long(252),
		"postmaster@[192.168.1.20]": "postmaster@[192.168.1.20]",
	} {
		got, err := account.NormalizeEmail(text)
		if err != nil || got != want {
			t.Errorf("NormalizeEmail(%q) = %q, %v, want %q", text, got, err, want)
			continue
		}
		if again, err := account.NormalizeEmail(got); err != nil || again != got {
			t.Errorf("NormalizeEmail(%q) = %q, %v: not stable", got, again, err)
		}
	}
}

// long returns a domain of n characters.
func long(n int) string {
	return strings.Repeat("a", n-len(".example")) + ".example"
}

func TestNormalizeEmailDropsSpaceAround(t *testing.T) {
	t.Parallel()
	if got, err := account.NormalizeEmail(" ada@example.com\t"); err != nil || got != "ada@example.com" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNormalizeEmailRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "ada", "ada@", "@example.com", "ada@example.com, eve@example.com", "Ada <ada@example.com>", "<ada@example.com>",
		"ada@exa mple.com", "ada@@example.com", "ada\n@example.com", "ada@example.com\nBcc: eve@example.com", "\xff@example.com",
		`"a b"@example.com`, "x@" + long(253), "ada\x00@example.com",
	} {
		if got, err := account.NormalizeEmail(text); fault.Reason(err) != "EMAIL_INVALID" || !fault.Is(err, fault.Invalid) {
			t.Errorf("NormalizeEmail(%q) = %q, %v", text, got, err)
		}
	}
}

func TestCurrencyOf(t *testing.T) {
	t.Parallel()
	for country, want := range map[string]money.Currency{
		"IE": "EUR", "DE": "EUR", "HR": "EUR", "SG": "SGD", "JP": "JPY", "US": "USD", "GB": "USD", "": "USD", "ie": "USD", "XX": "USD",
	} {
		if got := account.CurrencyOf(country); got != want {
			t.Errorf("CurrencyOf(%q) = %s, want %s", country, got, want)
		}
	}
}

package account_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ada@example.com":           "ada@example.com",
		"Ada.Lovelace@Example.COM":  "ada.lovelace@example.com",
		"ada+shop@example.com":      "ada+shop@example.com", // another mailbox at some providers
		"o'hara@sub.example.co.uk":  "o'hara@sub.example.co.uk",
		"JÖRG@bücher.example":       "jörg@bücher.example",
		"2jörg_@xn--bcher-kva.COM":  "2jörg_@bücher.com",
		"ada@straße.example":        "ada@straße.example", // another domain than strasse
		"ada@xn--strae-oqa.example": "ada@straße.example",
		"ada@r3--sn.example":        "ada@r3--sn.example",
		"ａｄａ@example。com":           "ada@example.com",
		"\u212aai@example.com":      "kai@example.com", // the sign of kelvins
		"ada@\u212aai.example":      "ada@kai.example",
		"שרה@example.com":           "שרה@example.com",
		"花子@例え.example":             "花子@例え.example",
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
	name := strings.Repeat("abcdefghi.", 26)
	return name[:n-len("a.example")] + "a.example"
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
		`"a b"@example.com`, "x@" + long(253), "ada\x00@example.com", "\u2603@example.com", "ſue@example.com", "ada\u200d@example.com",
		"ada＠@example.com", "ada．．b@example.com", "ada@xn--a.example", "ada@under_score.example", "ada@-.", "ada@example.com\u3002",
		"ada@" + strings.Repeat("a", 64) + ".example", "שרה1a@example.com", "ada@" + strings.Repeat("ü", 60) + ".example", "[@[x]",
	} {
		if got, err := account.NormalizeEmail(text); fault.Reason(err) != "EMAIL_INVALID" || !fault.Is(err, fault.Invalid) {
			t.Errorf("NormalizeEmail(%q) = %q, %v", text, got, err)
		}
	}
}

// What an address is does not depend on how it is composed, and is its own form.
func FuzzNormalizeEmail(f *testing.F) {
	for _, text := range []string{"ada@example.com", "JÖRG@bücher.example", "\u212aai@xn--strae-oqa.example", "ｊose\u0301@mu\u0308nchen。example", "שרה@example.com", "x@[::1]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := account.NormalizeEmail(text)
		if err != nil {
			return
		}
		if again, err := account.NormalizeEmail(form); err != nil || again != form {
			t.Errorf("%q is %q, which is %q, %v", text, form, again, err)
		}
		apart := norm.NFD.String(text)
		if other, err := account.NormalizeEmail(apart); len(apart) <= 254 && (err != nil || other != form) {
			t.Errorf("%q is %q, and decomposed %q, %v", text, form, other, err)
		}
	})
}

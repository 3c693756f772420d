package account

import (
	"net/mail"
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"

	"github.com/meridian-commerce/meridian/internal/fault"
)

const maxEmail = 254 // RFC 5321, in bytes

// address is an e-mail address, in the forms by which an account may be known.
type address struct {
	normal string   // the one of a new account; "": it can have none, though one of a former release may
	forms  []string // all, the likeliest first
}

// addressOf reads an e-mail address. The error is fault.Invalid (EMAIL_INVALID): no account has it.
//
// Former releases took addresses as they were written, in lower case. What differs in how it is composed, or has its domain in
// letters or in punycode, is one address now: so an account is looked for in each form that a former release may have kept.
func addressOf(text string) (address, error) {
	written, ok := plainAddress(text)
	if !ok {
		return address{}, emailInvalid()
	}
	a := address{forms: []string{strings.ToLower(written)}} // as a former release kept it
	user, domain, ok := normalize(written)
	if !ok {
		return a, nil
	}
	a.normal = user + "@" + domain
	apart := norm.NFD.String(user) + "@"
	ascii, _ := idna.Punycode.ToASCII(domain) // it was that before
	for _, form := range []string{a.normal, apart + norm.NFD.String(domain), user + "@" + ascii, apart + ascii} {
		if !slices.Contains(a.forms, form) {
			a.forms = append(a.forms, form)
		}
	}
	return a, nil
}

// newAddress reads the e-mail address of a new account, which has a normal form. The error is fault.Invalid (EMAIL_INVALID).
func newAddress(text string) (address, error) {
	a, err := addressOf(text)
	if err == nil && a.normal == "" {
		err = emailInvalid()
	}
	return a, err
}

// NormalizeEmail checks an e-mail address and returns the form that identifies a new account: the part before the @ as a user
// name (RFC 8265), the domain in letters (UTS 46). The error is fault.Invalid (EMAIL_INVALID).
func NormalizeEmail(text string) (string, error) {
	a, err := newAddress(text)
	return a.normal, err
}

func emailInvalid() error {
	return fault.New(fault.Invalid, "EMAIL_INVALID", "email is not an e-mail address such as ada@example.com")
}

// plainAddress returns an address without the space around it. It is false for what is more than an address.
func plainAddress(text string) (string, bool) {
	parsed, err := mail.ParseAddress(text)
	ok := err == nil && parsed.Name == "" && len(text) <= maxEmail && parsed.Address == strings.TrimSpace(text)
	if !ok {
		return "", false
	}
	return parsed.Address, true
}

// domains are of mail servers: of letters, digits and hyphens, in whatever script. Hyphens are as DNS has them, since names
// such as r3--a.example exist.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false), idna.VerifyDNSLength(true))

// users are precis.UsernameCaseMapped, which would refuse any name beyond ASCII that begins with a digit: the rule about the
// direction of writing is for names that have one from right to left (RFC 8265, section 3.3.2).
var users = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

// normalize returns the parts of an address in the one form that all ways of writing it have.
func normalize(written string) (user, domain string, ok bool) {
	at := strings.LastIndexByte(written, '@')
	user, err := users.String(written[:at])
	if err != nil || bidirule.DirectionString(user) == bidi.RightToLeft && !bidirule.ValidString(user) {
		return "", "", false
	}
	domain = written[at+1:]
	if strings.HasPrefix(domain, "[") { // an IP address
		domain = strings.ToLower(domain)
	} else {
		// By way of ASCII, since the bounds of DNS are those of that form.
		if domain, err = domains.ToASCII(domain); err == nil {
			domain, err = domains.ToUnicode(domain)
		}
	}
	// What a mapping makes of it must be an address still: wide signs become those that mean something in one.
	again, plain := plainAddress(user + "@" + domain)
	return user, domain, err == nil && plain && again == user+"@"+domain
}

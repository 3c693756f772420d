package promotion

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/plaintext"
)

// MaxAutomatic is how many automatic promotions a shop may have that are enabled and not over: each cart is held to each.
const MaxAutomatic = 100

// maxGoods bounds the variants and the tags of a promotion, and maxName its name.
const (
	maxGoods = 1000
	maxName  = 200
)

// Promotion is what a shop takes off. Of all that apply to a cart each takes its part, in the order of their priorities.
type Promotion struct {
	ID          string        // lower case; it stays, and orders keep it as promotion/ID
	Name        string        // for people
	Code        string        // that a shopper has to give, in its one form; "": it is automatic
	Priority    int64         // the lowest applies first; among equals the one whose id comes first
	BasisPoints int64         // ten-thousandths that it takes off; 0: it takes Amounts off
	Amounts     []money.Money // that it takes off once, one for each currency; in others it does not apply
	Variants    []string      // whose goods it is of, by their ids
	Tags        []string      // of products, whose goods it is of; with no variants either: of all goods
	Minimum     []money.Money // that the goods of the whole cart have to cost, one for each currency; in others it does not apply. None: whatever they cost
	From        time.Time     // when it begins; zero: it has begun
	Until       time.Time     // when it is over, from that instant on; zero: never
	Enabled     bool
}

var (
	validID   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	validCode = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{2,39}$`)
)

// Code returns a code in its one form: without blanks around it, in upper case. Of what cannot be one it returns "".
func Code(given string) string {
	code := strings.ToUpper(strings.TrimSpace(given))
	if !validCode.MatchString(code) {
		return ""
	}
	return code
}

// Validate checks what a merchant gave. Errors are fault.Invalid (PROMOTION_INVALID) and say what is wrong.
func (p Promotion) Validate() error {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "PROMOTION_INVALID", "promotion %.80q: "+format, append([]any{p.ID}, args...)...)
	}
	switch {
	case !validID.MatchString(p.ID):
		return invalid("an id is up to 64 lower-case letters, digits and hyphens")
	case p.Name == "" || len(p.Name) > maxName || strings.ContainsFunc(p.Name, plaintext.Deceives):
		return invalid("a name is one line of up to %d bytes", maxName)
	case p.Code != "" && Code(p.Code) != p.Code:
		return invalid("the code %.80q is not 3 to 40 letters and digits of ASCII, hyphens and underscores", p.Code)
	case (p.BasisPoints != 0) == (len(p.Amounts) != 0):
		return invalid("it takes off either a percentage or an amount")
	case p.BasisPoints < 0 || p.BasisPoints > money.Whole:
		return invalid("a percentage is above 0 and at most 100")
	case len(p.Variants) > maxGoods || len(p.Tags) > maxGoods || slices.Contains(p.Variants, "") || slices.Contains(p.Tags, ""):
		return invalid("variants and tags are up to %d each, and none is empty", maxGoods)
	case !p.Until.IsZero() && !p.From.Before(p.Until):
		return invalid("it is over before it begins")
	}
	for _, list := range [][]money.Money{p.Amounts, p.Minimum} {
		seen := map[money.Currency]bool{}
		for _, m := range list {
			if m.Minor <= 0 || seen[m.Currency] {
				return invalid("%s is not above zero, or not the only amount in its currency", m)
			}
			seen[m.Currency] = true
		}
	}
	return nil
}

// Runs reports whether a promotion is enabled, has begun and is not over.
func (p Promotion) Runs(at time.Time) bool {
	return p.Enabled && !at.Before(p.From) && !p.over(at)
}

func (p Promotion) over(at time.Time) bool { return !p.Until.IsZero() && !at.Before(p.Until) }

// Admit says whether a shopper may put the code of a promotion into a cart. Of one that has not begun, or is disabled, she is not
// told that it is there. Errors: fault.NotFound (PROMOTION_CODE_UNKNOWN), fault.FailedPrecondition (PROMOTION_CODE_EXPIRED).
func (p Promotion) Admit(at time.Time) error {
	switch {
	case p.Runs(at):
		return nil
	case p.Enabled && p.over(at):
		return fault.New(fault.FailedPrecondition, "PROMOTION_CODE_EXPIRED", "the promotion of code %s is over", p.Code).With("code", p.Code)
	}
	return UnknownCode(p.Code)
}

// UnknownCode is the error about a code that no promotion has: fault.NotFound (PROMOTION_CODE_UNKNOWN).
func UnknownCode(given string) error {
	return fault.New(fault.NotFound, "PROMOTION_CODE_UNKNOWN", "there is no promotion with the code %.80q", given).With("code", given)
}

// Rules returns the rules of those promotions that run at a time and are automatic or have one of the codes, in the order in
// which they apply.
func Rules(all []Promotion, codes []string, at time.Time) checkout.Rules {
	var apply []Promotion
	for _, p := range all {
		if p.Runs(at) && (p.Code == "" || slices.Contains(codes, p.Code)) {
			apply = append(apply, p)
		}
	}
	slices.SortFunc(apply, func(a, b Promotion) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	var rules checkout.Rules
	for _, p := range apply {
		rules = append(rules, p.adjust)
	}
	return rules
}

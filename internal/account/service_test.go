package account_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// room is a service with its fakes.
type room struct {
	*account.Service
	store  *store
	shop   *shop
	hasher *hasher
	issuer *issuer

	attempts *attempts
}

func open(t testing.TB) room {
	t.Helper()
	r := room{
		store: &store{directory: map[string]account.Account{}, hashes: map[string]string{}}, shop: &shop{"EUR", "GBP", "JPY", "KWD", "SGD", "USD"},
		hasher: &hasher{}, issuer: &issuer{}, attempts: &attempts{left: 100},
	}
	service, err := account.New(account.Config{
		Store: r.store, Shop: r.shop, Fallback: "USD", Hasher: r.hasher, Attempts: r.attempts.Take, Issuer: r.issuer, Regions: regions.Default(),
		DirectoryKey: bytes.Repeat([]byte{7}, 32), Clock: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Service = service
	return r
}

func ada() account.SignUp {
	return account.SignUp{
		Email: "Ada@Example.com", Password: "correct horse", DisplayName: "Ada", Home: "eu-west-1", Country: "IE",
	}
}

func TestNewWantsALongKey(t *testing.T) {
	t.Parallel()
	if _, err := account.New(account.Config{DirectoryKey: make([]byte, 31)}); err == nil {
		t.Error("a short directory key was accepted")
	}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	r := open(t)
	s, err := r.SignUp(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	want := account.Account{
		ID: s.Account.ID, Home: "eu-west-1", Email: "ada@example.com", DisplayName: "Ada", Country: "IE", Currency: "EUR",
		CreatedAt: now.Truncate(time.Microsecond),
	}
	if diff := cmp.Diff(want, s.Account); diff != "" {
		t.Error(diff)
	}
	if home, err := id.Home(regions.Default(), id.User, s.Account.ID); err != nil || home != "eu-west-1" {
		t.Errorf("id %s is of %s (%v)", s.Account.ID, home, err)
	}
	if s.Token != s.Account.ID+" eu-west-1 EUR" || !s.Expires.Equal(now.Add(5*time.Minute)) {
		t.Errorf("token %q until %s", s.Token, s.Expires)
	}
	if got := r.store.hashes[s.Account.ID]; got != "hash of correct horse" {
		t.Errorf("the credential is %q", got)
	}
	for key, stored := range r.store.directory {
		if strings.Contains(key, "ada") || len(key) != 32 || !cmp.Equal(stored, s.Account) {
			t.Errorf("the directory maps %q to %+v", key, stored)
		}
	}
}

func TestSignUpCurrency(t *testing.T) {
	t.Parallel()
	world := shop{"EUR", "GBP", "JPY", "KWD", "SGD", "USD"}
	for _, c := range []struct {
		wanted, country string
		sold            shop
		want            string
	}{
		{"", "IE", world, "EUR"}, {"", "HR", world, "EUR"}, {"", "GB", world, "GBP"}, {"", "KW", world, "KWD"}, {"", "JP", world, "JPY"},
		{"", "SG", world, "SGD"}, {"", "EC", world, "USD"}, {"", "", world, "USD"}, {"", "XX", world, "USD"}, {"", "ie", world, "USD"},
		{"", "CH", world, "USD"}, {"", "IN", world, "USD"}, // nothing is sold in theirs
		{"", "CH", shop{"CHF", "EUR"}, "CHF"}, {"", "US", shop{"CHF", "EUR"}, "CHF"}, {"", "GB", shop{"EUR"}, "EUR"},
		{"", "IE", nil, "USD"}, {"CHF", "IE", nil, "CHF"}, // nothing is sold yet
		{"JPY", "IE", world, "JPY"}, {"sgd", "US", world, "SGD"}, {"kwd", "", world, "KWD"},
	} {
		in, r := ada(), open(t)
		in.Currency, in.Country = c.wanted, c.country
		*r.shop = c.sold
		s, err := r.SignUp(t.Context(), in)
		if err != nil || string(s.Account.Currency) != c.want {
			t.Errorf("%+v: got %s, %v", c, s.Account.Currency, err)
		}
	}
}

func TestSetCurrency(t *testing.T) {
	t.Parallel()
	r := open(t)
	up, err := r.SignUp(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"KWD", "gbp"} {
		a, err := r.SetCurrency(t.Context(), "eu-west-1", up.Account.ID, code)
		kept, _ := r.Account(t.Context(), "eu-west-1", up.Account.ID)
		if want := strings.ToUpper(code); err != nil || string(a.Currency) != want || string(kept.Currency) != want {
			t.Errorf("%s: %+v, %v; kept %s", code, a, err, kept.Currency)
		}
	}
	for code, want := range map[string]string{"": "CURRENCY_UNKNOWN", "XXX": "CURRENCY_UNKNOWN", "£": "CURRENCY_UNKNOWN", "CHF": "CURRENCY_NOT_SOLD"} {
		if _, err := r.SetCurrency(t.Context(), "eu-west-1", up.Account.ID, code); fault.Reason(err) != want || !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", code, err)
		}
	}
	if _, err := r.SetCurrency(t.Context(), "eu-west-1", id.New(id.User, "eu1"), "EUR"); fault.Reason(err) != "ACCOUNT_NOT_FOUND" {
		t.Errorf("nobody: %v", err)
	}
}

func TestSignUpRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(*account.SignUp)
		reason string
	}{
		"no e-mail":                {func(s *account.SignUp) { s.Email = "" }, "EMAIL_INVALID"},
		"short password":           {func(s *account.SignUp) { s.Password = "nine char" }, "PASSWORD_LENGTH"},
		"long password":            {func(s *account.SignUp) { s.Password = strings.Repeat("é", 257) }, "PASSWORD_LENGTH"},
		"nine composed characters": {func(s *account.SignUp) { s.Password = strings.Repeat("e\u0301", 9) }, "PASSWORD_LENGTH"},
		"long name":                {func(s *account.SignUp) { s.DisplayName = strings.Repeat("x", 101) }, "DISPLAY_NAME_LENGTH"},
		"a name of two lines":      {func(s *account.SignUp) { s.DisplayName = "Ada\nSupport" }, "DISPLAY_NAME_INVALID"},
		"a name with an escape":    {func(s *account.SignUp) { s.DisplayName = "Ada\x1b[2J" }, "DISPLAY_NAME_INVALID"},
		"a separator":              {func(s *account.SignUp) { s.DisplayName = "Ada\u2028" }, "DISPLAY_NAME_INVALID"},
		"an override":              {func(s *account.SignUp) { s.DisplayName = "Ada \u202etroppus" }, "DISPLAY_NAME_INVALID"},
		"an isolate":               {func(s *account.SignUp) { s.DisplayName = "Ada\u2067" }, "DISPLAY_NAME_INVALID"},
		"garbled name":             {func(s *account.SignUp) { s.DisplayName = "\xff" }, "DISPLAY_NAME_LENGTH"},
		"unknown currency":         {func(s *account.SignUp) { s.Currency = "XXX" }, "CURRENCY_UNKNOWN"},
		"currency of another shop": {func(s *account.SignUp) { s.Currency = "CHF" }, "CURRENCY_NOT_SOLD"},
		"password with a tab":      {func(s *account.SignUp) { s.Password = "correct\thorse" }, "PASSWORD_INVALID"},
		"password of nobody's":     {func(s *account.SignUp) { s.Password = "correct horse \U000e0080" }, "PASSWORD_INVALID"},
		"unknown region":           {func(s *account.SignUp) { s.Home = "mars-north-1" }, "REGION_UNKNOWN"},
		"no region":                {func(s *account.SignUp) { s.Home = "" }, "REGION_UNKNOWN"},
		"password before the name": {func(s *account.SignUp) { s.Password, s.DisplayName = "", "\xff" }, "PASSWORD_LENGTH"},
	} {
		r, in := open(t), ada()
		c.spoil(&in)
		if _, err := r.SignUp(t.Context(), in); fault.Reason(err) != c.reason || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
		if len(r.store.directory) != 0 {
			t.Errorf("%s: an account was stored", name)
		}
	}
}

func TestSignUpAcceptsTheLimits(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"ten chars!", strings.Repeat("é", 256), strings.Repeat("e\u0301", 256), strings.Repeat("🐎", 10)} {
		in := ada()
		in.Password, in.DisplayName = password, strings.Repeat("ü", 100)
		if _, err := open(t).SignUp(t.Context(), in); err != nil {
			t.Errorf("%d characters: %v", len([]rune(password)), err)
		}
	}
}

func TestSignUpTakenEmail(t *testing.T) {
	t.Parallel()
	r := open(t)
	first, err := r.SignUp(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	again := ada()
	again.Email, again.Home = "ADA@example.COM", "us-east-1" // another way to write it, elsewhere in the world
	if _, err := r.SignUp(t.Context(), again); fault.Reason(err) != "EMAIL_TAKEN" || !fault.Is(err, fault.Exists) {
		t.Errorf("got %v", err)
	}
	if a, err := r.Account(t.Context(), "eu-west-1", first.Account.ID); err != nil || a.ID != first.Account.ID {
		t.Errorf("the first account is %+v, %v", a, err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	r := open(t)
	up, err := r.SignUp(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	for _, email := range []string{"ada@example.com", " ADA@EXAMPLE.COM "} {
		in, err := r.SignIn(t.Context(), email, "correct horse")
		if diff := cmp.Diff(up, in); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", email, err, diff)
		}
	}
	if r.hasher.verified != 2 || r.hasher.nobody != 0 {
		t.Errorf("two sign-ins cost %d verifications and %d for nobody", r.hasher.verified, r.hasher.nobody)
	}
}

// Who tries addresses learns nothing from the answer, nor from what it costs, nor from how long it takes: be the account's
// home near, far or nowhere.
func TestSignInHidesWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t)
		if _, err := r.SignUp(t.Context(), ada()); err != nil {
			t.Fatal(err)
		}
		refusal := func(name, email string, distance time.Duration) string {
			r.store.distance = distance
			began := time.Now()
			_, err := r.SignIn(t.Context(), email, "wrong horse")
			if took := time.Since(began); took != time.Second || !fault.Is(err, fault.Unauthenticated) || fault.Reason(err) != "CREDENTIALS_WRONG" {
				t.Errorf("%s: after %v: %v", name, took, err)
				return ""
			}
			return err.Error()
		}
		near := refusal("a wrong password", "ada@example.com", 0)
		far := refusal("a wrong password of a far account", "ada@example.com", 300*time.Millisecond)
		if r.hasher.verified != 2 || r.hasher.nobody != 0 {
			t.Errorf("two wrong passwords cost %d verifications and %d for nobody", r.hasher.verified, r.hasher.nobody)
		}
		unknown := refusal("an unknown address", "eve@example.com", 0)
		if r.hasher.verified != 2 || r.hasher.nobody != 1 {
			t.Errorf("an unknown address costs %d verifications and %d for nobody", r.hasher.verified-2, r.hasher.nobody)
		}
		if near != unknown || far != unknown {
			t.Errorf("three answers: %s, %s and %s", near, far, unknown)
		}
		r.hasher.busy = fault.New(fault.Unavailable, "SIGN_IN_BUSY", "try again")
		for _, email := range []string{"ada@example.com", "eve@example.com"} {
			if _, err := r.SignIn(t.Context(), email, "correct horse"); fault.Reason(err) != "SIGN_IN_BUSY" || !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s on a busy machine: %v", email, err)
			}
		}
	})
}

// TestSignInsOfOneAccount: an account that is tried too often is not tried on, whether there is one or not and whatever the
// password, and nothing is computed for it.
func TestSignInsOfOneAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t)
		if _, err := r.SignUp(t.Context(), ada()); err != nil {
			t.Fatal(err)
		}
		for _, email := range []string{"ada@example.com", "eve@example.com"} {
			r.attempts.left = 2
			for range 2 {
				if _, err := r.SignIn(t.Context(), email, "wrong horse"); fault.Reason(err) != "CREDENTIALS_WRONG" {
					t.Errorf("%s: %v", email, err)
				}
			}
			worked := r.hasher.verified + r.hasher.nobody
			_, err := r.SignIn(t.Context(), email, "correct horse")
			var known *fault.Error
			if !errors.As(err, &known) || known.Kind != fault.Exhausted || known.Reason != "SIGN_INS_TOO_MANY" || known.RetryAfter != time.Minute {
				t.Errorf("%s, once too often: %v", email, err)
			}
			if r.hasher.verified+r.hasher.nobody != worked {
				t.Errorf("%s, once too often: a hash was computed", email)
			}
		}
	})
}

// forms are ways of writing one address, and of typing one password.
var forms = struct{ emails, passwords []string }{
	[]string{
		"jos\u00e9@m\u00fcnchen.example", "jose\u0301@mu\u0308nchen.example", "jos\u00e9@xn--mnchen-3ya.example", "jose\u0301@xn--mnchen-3ya.example",
		"JOS\u00c9@M\u00dcNCHEN.EXAMPLE", " jose\u0301@m\u00fcnchen\u3002example ", "\uff4aos\u00e9@m\u00fcnchen.example", "jos\u00e9@XN--MNCHEN-3YA.example",
	},
	[]string{"ma\u00f1ana-por-la", "man\u0303ana-por-la"},
}

// However an address is written and a password is typed, it is one account.
func TestOneAccountOfAllForms(t *testing.T) {
	t.Parallel()
	for _, first := range forms.emails {
		r, in := open(t), ada()
		in.Email, in.Password = first, forms.passwords[0]
		up, err := r.SignUp(t.Context(), in)
		if err != nil || up.Account.Email != "jos\u00e9@m\u00fcnchen.example" {
			t.Fatalf("%q: %+v, %v", first, up.Account, err)
		}
		for i, email := range forms.emails {
			in.Email, in.Home = email, "us-east-1"
			if _, err := r.SignUp(t.Context(), in); fault.Reason(err) != "EMAIL_TAKEN" {
				t.Errorf("%q beside %q: %v", email, first, err)
			}
			if s, err := r.SignIn(t.Context(), email, forms.passwords[i%2]); err != nil || s.Account.ID != up.Account.ID {
				t.Errorf("%q signs in to %q: %+v, %v", email, first, s.Account, err)
			}
		}
	}
}

// Whoever had an account before addresses and passwords had one form has it still, and it is nobody else's.
func TestAccountsOfFormerReleases(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		forms.emails[0], forms.emails[1], forms.emails[2], forms.emails[3],
		"\u2603@example.com", "ada@under_score.example", "user@" + strings.Repeat("a", 70) + ".example", // which none can have now
	} {
		r := open(t)
		former := account.Account{ID: id.New(id.User, "eu1"), Home: "eu-west-1", Email: first, Currency: "EUR"}
		r.keep(former, strings.ToLower(first), "man\u0303ana-por-la")
		for _, written := range []string{first, strings.ToUpper(first)} {
			if s, err := r.SignIn(t.Context(), written, "man\u0303ana-por-la"); err != nil || s.Account.ID != former.ID {
				t.Errorf("%q: %+v, %v", written, s.Account, err)
			}
			in := ada()
			in.Email = written
			if _, err := r.SignUp(t.Context(), in); fault.Reason(err) != "EMAIL_TAKEN" && fault.Reason(err) != "EMAIL_INVALID" {
				t.Errorf("%q is had a second time: %v", written, err)
			}
		}
		if !slices.Contains(forms.emails, first) {
			continue
		}
		for _, email := range forms.emails {
			in := ada()
			in.Email = email
			if _, err := r.SignUp(t.Context(), in); fault.Reason(err) != "EMAIL_TAKEN" {
				t.Errorf("%q beside a former %q: %v", email, first, err)
			}
		}
	}
	// Of two accounts whose addresses are one now, each is who wrote it so.
	r := open(t)
	one, two := account.Account{ID: "usr_one", Home: "eu-west-1"}, account.Account{ID: "usr_two", Home: "eu-west-1"}
	r.keep(one, forms.emails[0], "correct horse")
	r.keep(two, forms.emails[1], "battery staple")
	for email, want := range map[string]account.Account{forms.emails[0]: one, forms.emails[1]: two} {
		password := map[string]string{"usr_one": "correct horse", "usr_two": "battery staple"}[want.ID]
		if s, err := r.SignIn(t.Context(), email, password); err != nil || s.Account.ID != want.ID {
			t.Errorf("%q: %+v, %v", email, s.Account, err)
		}
	}
}

// keep stores an account as a former release did.
func (r room) keep(a account.Account, email, password string) {
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
	mac.Write([]byte(email))
	r.store.directory[string(mac.Sum(nil))], r.store.hashes[a.ID] = a, "hash of "+password
}

// Another way of writing an address is no other account to try passwords on, and costs as many hashes of nobody.
func TestFormsAreNoFurtherAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t)
		for _, email := range forms.emails {
			if _, err := r.SignIn(t.Context(), email, "man\u0303ana wrong"); fault.Reason(err) != "CREDENTIALS_WRONG" {
				t.Errorf("%q: %v", email, err)
			}
		}
		if len(r.attempts.of) != 1 || r.hasher.nobody != 2*len(forms.emails) {
			t.Errorf("%d sign-ins to %d accounts, for %d hashes", len(forms.emails), len(r.attempts.of), r.hasher.nobody)
		}
	})
}

func TestSignInRefusesNoAddress(t *testing.T) {
	t.Parallel()
	if _, err := open(t).SignIn(t.Context(), "ada", "correct horse"); fault.Reason(err) != "EMAIL_INVALID" {
		t.Errorf("got %v", err)
	}
}

func TestFailuresPassThrough(t *testing.T) {
	t.Parallel()
	r := open(t)
	up, err := r.SignUp(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no key")
	for name, c := range map[string]struct {
		store, hasher, issuer error
		want                  error
	}{
		"store":  {store: errDown, want: errDown},
		"hasher": {hasher: errDown, want: errDown},
		"issuer": {issuer: broken, want: broken},
	} {
		r.store.down, r.hasher.busy, r.issuer.broken = c.store, c.hasher, c.issuer
		if s, err := r.SignIn(t.Context(), "ada@example.com", "correct horse"); !errors.Is(err, c.want) || s.Token != "" {
			t.Errorf("%s: SignIn = %+v, %v", name, s, err)
		}
		in := ada()
		in.Email = name + "@example.com"
		if s, err := r.SignUp(t.Context(), in); !errors.Is(err, c.want) || s.Token != "" {
			t.Errorf("%s: SignUp = %+v, %v", name, s, err)
		}
	}
	r.store.down = errDown
	if _, err := r.Account(t.Context(), "eu-west-1", up.Account.ID); !errors.Is(err, errDown) {
		t.Errorf("Account: %v", err)
	}
}

func TestAccountThatIsGone(t *testing.T) {
	t.Parallel()
	_, err := open(t).Account(t.Context(), "eu-west-1", id.New(id.User, "eu1"))
	if fault.Reason(err) != "ACCOUNT_NOT_FOUND" || !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

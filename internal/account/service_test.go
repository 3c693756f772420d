package account_test

import (
	"bytes"
	"errors"
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
	hasher *hasher
	issuer *issuer

	attempts *attempts
}

func open(t testing.TB) room {
	t.Helper()
	r := room{store: &store{directory: map[string]account.Account{}, hashes: map[string]string{}}, hasher: &hasher{}, issuer: &issuer{}, attempts: &attempts{left: 100}}
	service, err := account.New(account.Config{
		Store: r.store, Hasher: r.hasher, Attempts: r.attempts.Take, Issuer: r.issuer, Regions: regions.Default(),
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
	for _, c := range []struct{ wanted, country, want string }{
		{"", "IE", "EUR"}, {"", "", "USD"}, {"JPY", "IE", "JPY"}, {"sgd", "US", "SGD"},
	} {
		in := ada()
		in.Currency, in.Country = c.wanted, c.country
		s, err := open(t).SignUp(t.Context(), in)
		if err != nil || string(s.Account.Currency) != c.want {
			t.Errorf("%+v: got %s, %v", c, s.Account.Currency, err)
		}
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
		"long name":                {func(s *account.SignUp) { s.DisplayName = strings.Repeat("x", 101) }, "DISPLAY_NAME_LENGTH"},
		"a name of two lines":      {func(s *account.SignUp) { s.DisplayName = "Ada\nSupport" }, "DISPLAY_NAME_INVALID"},
		"a name with an escape":    {func(s *account.SignUp) { s.DisplayName = "Ada\x1b[2J" }, "DISPLAY_NAME_INVALID"},
		"a separator":              {func(s *account.SignUp) { s.DisplayName = "Ada\u2028" }, "DISPLAY_NAME_INVALID"},
		"an override":              {func(s *account.SignUp) { s.DisplayName = "Ada \u202etroppus" }, "DISPLAY_NAME_INVALID"},
		"an isolate":               {func(s *account.SignUp) { s.DisplayName = "Ada\u2067" }, "DISPLAY_NAME_INVALID"},
		"garbled name":             {func(s *account.SignUp) { s.DisplayName = "\xff" }, "DISPLAY_NAME_LENGTH"},
		"unknown currency":         {func(s *account.SignUp) { s.Currency = "XXX" }, "CURRENCY_UNKNOWN"},
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
	for _, password := range []string{"ten chars!", strings.Repeat("é", 256)} {
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

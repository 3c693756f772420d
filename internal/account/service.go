package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrNotFound is what a Store returns for an account that does not exist.
var ErrNotFound = errors.New("account: not found")

// Store keeps accounts. It is safe for concurrent use; errors are ErrNotFound and *fault.Error.
type Store interface {
	// Create writes the directory entry, the user and the credential in one transaction. An address that is
	// taken, in this form or in one of the others, is fault.Exists.
	Create(ctx context.Context, emailHMAC []byte, others [][]byte, a Account, passwordHash string) error
	// Locate finds where the account of an address lives, by the first of its forms that is known. It reads GLOBAL data only.
	Locate(ctx context.Context, emailHMACs [][]byte) (home regions.Name, userID string, err error)
	// Find reads an account at home.
	Find(ctx context.Context, home regions.Name, userID string) (Account, error)
	// PasswordHash reads an account's credential at home.
	PasswordHash(ctx context.Context, home regions.Name, userID string) (string, error)
	// SetCurrency writes an account's currency and its cart's, in one transaction, and returns the account.
	SetCurrency(ctx context.Context, home regions.Name, userID string, c money.Currency) (Account, error)
}

// Shop knows what is sold. It reads GLOBAL data only, and is safe for concurrent use.
type Shop interface {
	// Currencies returns those in which something has a price, in the order of their codes.
	Currencies(ctx context.Context) ([]money.Currency, error)
}

// Hasher hashes passwords slowly. It is safe for concurrent use and bounds its own memory.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, hash, password string) (bool, error)
	// VerifyNobody takes as long as Verify and matches nothing: an unknown address costs what a wrong password does.
	VerifyNobody(ctx context.Context, password string) error
}

// Attempts counts one more sign-in to the account of an address, whether or not there is one. If it is one too many it
// returns false, and how long until the next is not. It is safe for concurrent use.
type Attempts func(ctx context.Context, emailHMAC []byte) (wait time.Duration, ok bool)

// refusalTakes is how long a refused sign-in takes, whatever it found on the way: more than a hash and the round trip to
// the farthest home, so that the time tells neither whether there is an account nor where it lives.
const refusalTakes = time.Second

// Issuer signs access tokens, and tickets for one path: "" is a token for all. It is safe for concurrent use.
type Issuer interface {
	Issue(userID string, home regions.Name, currency money.Currency, path string) (token string, expires time.Time, err error)
}

// Service is the account room's behavior. It is safe for concurrent use.
type Service struct {
	store     Store
	shop      Shop
	fallback  money.Currency
	hasher    Hasher
	attempts  Attempts
	issuer    Issuer
	regions   *regions.Set
	directory []byte // HMAC key
	clock     clock.Clock
}

// Config is what a Service needs.
type Config struct {
	Store        Store
	Shop         Shop
	Fallback     money.Currency // of accounts in whose country's nothing is sold
	Hasher       Hasher
	Attempts     Attempts // nil: nobody counts
	Issuer       Issuer
	Regions      *regions.Set
	DirectoryKey []byte // at least 32 bytes, the same in every region
	Clock        clock.Clock
}

// New returns a Service.
func New(c Config) (*Service, error) {
	if len(c.DirectoryKey) < 32 {
		return nil, errors.New("account: the directory key has less than 32 bytes")
	}
	return &Service{c.Store, c.Shop, c.Fallback, c.Hasher, c.Attempts, c.Issuer, c.Regions, c.DirectoryKey, c.Clock}, nil
}

// SignUp is what a new user says, and where they are.
type SignUp struct {
	Email, Password, DisplayName string
	Currency                     string       // empty: by country
	Home                         regions.Name // the region that the caller's location is assigned to
	Country                      string       // as located; may be empty
}

// Session is a signed-in account.
type Session struct {
	Account Account
	Token   string
	Expires time.Time
}

// SignUp creates an account at s.Home and signs it in. Errors: fault.Invalid, fault.Exists (EMAIL_TAKEN).
func (s *Service) SignUp(ctx context.Context, in SignUp) (Session, error) {
	email, err := newAddress(in.Email)
	if err != nil {
		return Session{}, err
	}
	password, err := newPassword(in.Password)
	if err := errors.Join(err, checkDisplayName(in.DisplayName)); err != nil {
		return Session{}, err
	}
	if _, known := s.regions.Lookup(in.Home); !known {
		return Session{}, fault.New(fault.Invalid, "REGION_UNKNOWN", "region %q is not in the set of regions", in.Home)
	}
	currency, err := s.currency(ctx, in.Currency, in.Country)
	if err != nil {
		return Session{}, err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return Session{}, err
	}
	a := Account{
		ID: id.New(id.User, s.regions.Code(in.Home)), Home: in.Home, Email: email.normal, DisplayName: in.DisplayName,
		Country: in.Country, Currency: currency, CreatedAt: s.clock().Truncate(time.Microsecond),
	}
	others := slices.DeleteFunc(slices.Clone(email.forms), func(form string) bool { return form == email.normal })
	if err := s.store.Create(ctx, s.emailHMAC(email.normal), s.emailHMACs(others), a, hash); err != nil {
		return Session{}, err
	}
	return s.session(a)
}

// currency returns what a new account is shown prices in: what it asks for, else what suits its country.
func (s *Service) currency(ctx context.Context, code, country string) (money.Currency, error) {
	if code != "" {
		return s.sold(ctx, code)
	}
	sold, err := s.shop.Currencies(ctx)
	if err != nil {
		return "", err
	}
	return currencyFor(country, sold, s.fallback), nil
}

// sold returns the currency of a code, if the shop sells in it. Errors are fault.Invalid (CURRENCY_UNKNOWN, CURRENCY_NOT_SOLD).
func (s *Service) sold(ctx context.Context, code string) (money.Currency, error) {
	wanted, err := money.ParseCurrency(code)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "currency is an ISO 4217 code such as EUR")
	}
	sold, err := s.shop.Currencies(ctx)
	if err != nil {
		return "", err
	}
	if len(sold) > 0 && !slices.Contains(sold, wanted) { // a shop that is not filled yet takes any
		return "", fault.New(fault.Invalid, "CURRENCY_NOT_SOLD", "nothing has a price in %s; there are prices in %v", wanted, sold)
	}
	return wanted, nil
}

// SetCurrency changes what a signed-in user is shown prices in. Her cart is priced in it from then on; an order is paid in what
// it was placed in. Errors: fault.Invalid (CURRENCY_UNKNOWN, CURRENCY_NOT_SOLD), fault.NotFound (ACCOUNT_NOT_FOUND).
func (s *Service) SetCurrency(ctx context.Context, home regions.Name, userID, code string) (Account, error) {
	currency, err := s.sold(ctx, code)
	if err != nil {
		return Account{}, err
	}
	a, err := s.store.SetCurrency(ctx, home, userID, currency)
	return a, gone(err)
}

// SignIn checks a password. A wrong one and an unknown address are the same fault.Unauthenticated (CREDENTIALS_WRONG) and
// take the same time. An account that is tried too often is fault.Exhausted (SIGN_INS_TOO_MANY), right password or not.
func (s *Service) SignIn(ctx context.Context, email, password string) (Session, error) {
	of, err := addressOf(email)
	if err != nil {
		return Session{}, err
	}
	if s.attempts != nil {
		// Counted by the one form that all ways of writing the address have: another way is no other account to try.
		if wait, ok := s.attempts(ctx, s.emailHMAC(cmp.Or(of.normal, of.forms[0]))); !ok {
			return Session{}, fault.New(fault.Exhausted, "SIGN_INS_TOO_MANY", "There were too many sign-ins to this account; wait before you try again.").After(wait)
		}
	}
	began := time.Now()
	home, userID, err := s.authenticate(ctx, s.emailHMACs(of.forms), password)
	if errors.Is(err, errWrong) {
		if err := clock.Sleep(ctx, refusalTakes-time.Since(began)); err != nil {
			return Session{}, err
		}
		return Session{}, fault.New(fault.Unauthenticated, "CREDENTIALS_WRONG", "the e-mail address or the password is wrong")
	}
	if err != nil {
		return Session{}, err
	}
	a, err := s.store.Find(ctx, home, userID)
	if err != nil {
		return Session{}, err
	}
	return s.session(a)
}

var errWrong = errors.New("account: wrong credentials")

// authenticate returns whose address and password these are. Its error is errWrong if they are nobody's.
func (s *Service) authenticate(ctx context.Context, emailHMACs [][]byte, password string) (home regions.Name, userID string, err error) {
	forms, _ := passwords(password)
	home, userID, err = s.store.Locate(ctx, emailHMACs)
	if errors.Is(err, ErrNotFound) {
		for _, form := range forms { // as many as of somebody
			if err := s.hasher.VerifyNobody(ctx, form); err != nil {
				return "", "", err
			}
		}
		return "", "", errWrong
	}
	if err != nil {
		return "", "", err
	}
	hash, err := s.store.PasswordHash(ctx, home, userID)
	if err != nil {
		return "", "", err
	}
	for _, form := range forms {
		if ok, err := s.hasher.Verify(ctx, hash, form); err != nil {
			return "", "", err
		} else if ok {
			return home, userID, nil
		}
	}
	return "", "", errWrong
}

// Account returns the account of a signed-in user. An account that is gone is fault.NotFound.
func (s *Service) Account(ctx context.Context, home regions.Name, userID string) (Account, error) {
	a, err := s.store.Find(ctx, home, userID)
	return a, gone(err)
}

// gone tells the caller that it is its account that was not found.
func gone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.NotFound, "ACCOUNT_NOT_FOUND", "the account does not exist any more")
	}
	return err
}

// Ticket returns what lets a signed-in user get one path without an access token, and until when. Errors are fault.Invalid.
func (s *Service) Ticket(home regions.Name, userID string, currency money.Currency, path string) (ticket string, expires time.Time, err error) {
	// The RPCs take a header: a ticket, which URLs and logs show, is for what cannot have one.
	if !strings.HasPrefix(path, "/v1/") || len(path) > 256 {
		return "", time.Time{}, fault.New(fault.Invalid, "TICKET_PATH_INVALID", "path is a stream's, such as /v1/orders/{id}/events")
	}
	return s.issuer.Issue(userID, home, currency, path)
}

func (s *Service) session(a Account) (Session, error) {
	token, expires, err := s.issuer.Issue(a.ID, a.Home, a.Currency, "")
	if err != nil {
		return Session{}, err
	}
	return Session{Account: a, Token: token, Expires: expires}, nil
}

func (s *Service) emailHMAC(normalized string) []byte {
	mac := hmac.New(sha256.New, s.directory)
	mac.Write([]byte(normalized))
	return mac.Sum(nil)
}

func (s *Service) emailHMACs(forms []string) [][]byte {
	out := make([][]byte, len(forms))
	for i, form := range forms {
		out[i] = s.emailHMAC(form)
	}
	return out
}

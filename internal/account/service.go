package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
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
	// taken is fault.Exists.
	Create(ctx context.Context, emailHMAC []byte, a Account, passwordHash string) error
	// Locate finds where the account of an address lives. It reads GLOBAL data only.
	Locate(ctx context.Context, emailHMAC []byte) (home regions.Name, userID string, err error)
	// Find reads an account at home.
	Find(ctx context.Context, home regions.Name, userID string) (Account, error)
	// PasswordHash reads an account's credential at home.
	PasswordHash(ctx context.Context, home regions.Name, userID string) (string, error)
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
	return &Service{c.Store, c.Hasher, c.Attempts, c.Issuer, c.Regions, c.DirectoryKey, c.Clock}, nil
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
	email, err := NormalizeEmail(in.Email)
	if err != nil {
		return Session{}, err
	}
	if err := errors.Join(checkPassword(in.Password), checkDisplayName(in.DisplayName)); err != nil {
		return Session{}, err
	}
	currency := CurrencyOf(in.Country)
	if in.Currency != "" {
		if currency, err = money.ParseCurrency(in.Currency); err != nil {
			return Session{}, fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "currency is an ISO 4217 code such as EUR")
		}
	}
	if _, known := s.regions.Lookup(in.Home); !known {
		return Session{}, fault.New(fault.Invalid, "REGION_UNKNOWN", "region %q is not in the set of regions", in.Home)
	}
	hash, err := s.hasher.Hash(ctx, in.Password)
	if err != nil {
		return Session{}, err
	}
	a := Account{
		ID: id.New(id.User, s.regions.Code(in.Home)), Home: in.Home, Email: email, DisplayName: in.DisplayName,
		Country: in.Country, Currency: currency, CreatedAt: s.clock().Truncate(time.Microsecond),
	}
	if err := s.store.Create(ctx, s.emailHMAC(email), a, hash); err != nil {
		return Session{}, err
	}
	return s.session(a)
}

// SignIn checks a password. A wrong one and an unknown address are the same fault.Unauthenticated (CREDENTIALS_WRONG) and
// take the same time. An account that is tried too often is fault.Exhausted (SIGN_INS_TOO_MANY), right password or not.
func (s *Service) SignIn(ctx context.Context, email, password string) (Session, error) {
	normalized, err := NormalizeEmail(email)
	if err != nil {
		return Session{}, err
	}
	address := s.emailHMAC(normalized)
	if s.attempts != nil {
		if wait, ok := s.attempts(ctx, address); !ok {
			return Session{}, fault.New(fault.Exhausted, "SIGN_INS_TOO_MANY", "There were too many sign-ins to this account; wait before you try again.").After(wait)
		}
	}
	began := time.Now()
	home, userID, err := s.authenticate(ctx, address, password)
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
func (s *Service) authenticate(ctx context.Context, emailHMAC []byte, password string) (home regions.Name, userID string, err error) {
	home, userID, err = s.store.Locate(ctx, emailHMAC)
	if errors.Is(err, ErrNotFound) {
		if err := s.hasher.VerifyNobody(ctx, password); err != nil {
			return "", "", err
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
	if ok, err := s.hasher.Verify(ctx, hash, password); err != nil {
		return "", "", err
	} else if !ok {
		return "", "", errWrong
	}
	return home, userID, nil
}

// Account returns the account of a signed-in user. An account that is gone is fault.NotFound.
func (s *Service) Account(ctx context.Context, home regions.Name, userID string) (Account, error) {
	a, err := s.store.Find(ctx, home, userID)
	if errors.Is(err, ErrNotFound) {
		return Account{}, fault.New(fault.NotFound, "ACCOUNT_NOT_FOUND", "the account does not exist any more")
	}
	return a, err
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

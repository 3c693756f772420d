package account_test

import (
	"context"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

var errDown = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")

// store is an account.Store in memory.
type store struct {
	mu        sync.Mutex
	down      error
	directory map[string]account.Account // by e-mail HMAC
	hashes    map[string]string          // by user id
	distance  time.Duration              // of the homes
}

func (s *store) Create(_ context.Context, emailHMAC []byte, others [][]byte, a account.Account, passwordHash string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	for _, form := range append([][]byte{emailHMAC}, others...) {
		if _, taken := s.directory[string(form)]; taken {
			return fault.New(fault.Exists, "EMAIL_TAKEN", "sign in instead")
		}
	}
	s.directory[string(emailHMAC)], s.hashes[a.ID] = a, passwordHash
	return nil
}

func (s *store) Locate(_ context.Context, emailHMACs [][]byte) (regions.Name, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return "", "", s.down
	}
	for _, form := range emailHMACs {
		if a, ok := s.directory[string(form)]; ok {
			return a.Home, a.ID, nil
		}
	}
	return "", "", account.ErrNotFound
}

func (s *store) SetCurrency(ctx context.Context, home regions.Name, userID string, c money.Currency) (account.Account, error) {
	a, err := s.Find(ctx, home, userID)
	if err != nil {
		return account.Account{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for form, known := range s.directory {
		if known.ID == userID {
			known.Currency = c
			s.directory[form] = known
		}
	}
	a.Currency = c
	return a, nil
}

// shop sells in these.
type shop []money.Currency

func (s *shop) Currencies(context.Context) ([]money.Currency, error) { return *s, nil }

func (s *store) Find(_ context.Context, home regions.Name, userID string) (account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return account.Account{}, s.down
	}
	for _, a := range s.directory {
		if a.ID == userID && a.Home == home {
			return a, nil
		}
	}
	return account.Account{}, account.ErrNotFound
}

func (s *store) PasswordHash(_ context.Context, home regions.Name, userID string) (string, error) {
	if _, err := s.Find(context.Background(), home, userID); err != nil {
		return "", err
	}
	time.Sleep(s.distance) // in a synctest bubble
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hashes[userID], nil
}

// hasher counts the work that a sign-in costs.
type hasher struct {
	busy             error
	verified, nobody int
}

func (h *hasher) Hash(_ context.Context, password string) (string, error) {
	return "hash of " + password, h.busy
}

func (h *hasher) Verify(_ context.Context, hash, password string) (bool, error) {
	h.verified++
	return hash == "hash of "+password, h.busy
}

func (h *hasher) VerifyNobody(context.Context, string) error {
	h.nobody++
	return h.busy
}

// attempts lets so many sign-ins pass.
type attempts struct {
	left int
	of   map[string]int // accounts
}

func (a *attempts) Take(_ context.Context, emailHMAC []byte) (time.Duration, bool) {
	if a.of == nil {
		a.of = map[string]int{}
	}
	a.of[string(emailHMAC)]++
	a.left--
	return time.Minute, a.left >= 0
}

// issuer signs by naming what it signs.
type issuer struct{ broken error }

func (i *issuer) Issue(userID string, home regions.Name, currency money.Currency, path string) (string, time.Time, error) {
	return userID + " " + string(home) + " " + string(currency) + path, now.Add(5 * time.Minute), i.broken
}

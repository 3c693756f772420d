package accountrpc

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// ticketTTL is long enough to open a stream. It is short, because URLs are shown and kept where headers are not.
const ticketTTL = time.Minute

// Keys is the key set of access tokens, as its file has it at the moment: an rpc.Verifier, and what else rooms ask for. A
// file that cannot be used changes nothing. It is safe for concurrent use.
type Keys struct {
	settings token.Settings
	now      clock.Clock
	files    *filewatch.Files
	signs    atomic.Bool // a file without a key that signs cannot be used
	current  atomic.Pointer[keysInUse]
}

type keysInUse struct {
	set      token.KeySet
	verifier *token.Verifier
	issuer   *token.Issuer // nil: the set holds public keys alone
	jwks     http.Handler
}

// OpenKeys reads the key set. log may be nil. Errors are fault.Invalid (CONFIG_INVALID).
func OpenKeys(c token.Settings, now clock.Clock, log *slog.Logger) (*Keys, error) {
	k := &Keys{settings: c, now: now}
	var err error
	if k.files, err = filewatch.Open(log, k.read, c.KeysFile); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "auth.keys_file %s cannot be used; make one with `meridian keys generate`", c.KeysFile)
	}
	return k, nil
}

// read takes the file up.
func (k *Keys) read() error {
	set, err := token.Load(k.settings.KeysFile)
	if err != nil {
		return err
	}
	if before := k.current.Load(); before != nil {
		if err := set.Succeeds(before.set); err != nil {
			return err
		}
	}
	next := &keysInUse{set: set}
	if next.verifier, err = token.NewVerifier(set, k.now); err != nil {
		return err
	}
	if next.jwks, err = token.JWKSHandler(set); err != nil {
		return err
	}
	if set.Signs() {
		if next.issuer, err = token.NewIssuer(set, k.now); err != nil {
			return err
		}
	} else if k.signs.Load() {
		return k.noSigner()
	}
	k.current.Store(next)
	return nil
}

// Watch takes up a new file until ctx is done. It is called once.
func (k *Keys) Watch(ctx context.Context) { k.files.Watch(ctx) }

// Refused returns why the file is not in use as it is now; nil: it is.
func (k *Keys) Refused() error { return k.files.Refused() }

// Standing says which keys are in use.
func (k *Keys) Standing() token.Standing {
	set := k.current.Load().set
	var s token.Standing
	for _, key := range set.Keys() {
		s.Verifies = append(s.Verifies, key.ID)
	}
	if k.signs.Load() {
		s.Signs = set.Signer()
		s.Longest = max(k.settings.TokenTTL, ticketTTL)
	}
	return s
}

// JWKS answers with the public keys.
func (k *Keys) JWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { k.current.Load().jwks.ServeHTTP(w, r) })
}

// Signer returns what signs access tokens. It is called before Watch. Its error is fault.Invalid (SIGNING_KEY_MISSING).
func (k *Keys) Signer() (account.Issuer, error) {
	if k.current.Load().issuer == nil {
		return nil, k.noSigner()
	}
	k.signs.Store(true)
	return issuer{k}, nil
}

func (k *Keys) noSigner() error {
	return fault.New(fault.Invalid, "SIGNING_KEY_MISSING", "auth.keys_file %s holds public keys alone, and a stack with the module account signs access "+
		"tokens: give it the set that `meridian keys generate` made; what `meridian keys public` makes is for edges and other stacks", k.settings.KeysFile)
}

// Verify implements rpc.Verifier.
func (k *Keys) Verify(text string) (rpc.Caller, error) {
	return caller(k.current.Load().verifier.Verify(text))
}

// Ticket implements rpc.Verifier.
func (k *Keys) Ticket(text, path string) (rpc.Caller, error) {
	return caller(k.current.Load().verifier.Ticket(text, path))
}

func caller(c token.Claims, err error) (rpc.Caller, error) {
	return rpc.Caller{UserID: c.Subject, Home: c.Home, Currency: c.Currency, Role: c.Role}, err
}

type issuer struct{ keys *Keys }

// Issue implements account.Issuer.
func (i issuer) Issue(userID string, home regions.Name, currency money.Currency, path string) (string, time.Time, error) {
	ttl := i.keys.settings.TokenTTL
	if path != "" {
		ttl = ticketTTL
	}
	return i.keys.current.Load().issuer.Issue(token.Claims{Subject: userID, Home: home, Currency: currency, Path: path}, ttl)
}

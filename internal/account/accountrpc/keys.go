package accountrpc

import (
	"net/http"
	"time"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// Keys is the key set of access tokens in the shapes that rooms ask for.
type Keys struct {
	Verifier rpc.Verifier
	JWKS     http.Handler // answers with the public keys

	file   string
	issuer account.Issuer // nil: the set holds public keys alone
}

// LoadKeys reads the key set. Errors are fault.Invalid (CONFIG_INVALID).
func LoadKeys(c token.Settings, now clock.Clock) (Keys, error) {
	set, err := token.Load(c.KeysFile)
	if err != nil {
		return Keys{}, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "auth.keys_file %s cannot be used; make one with `meridian keys generate`", c.KeysFile)
	}
	verify, err := token.NewVerifier(set, now)
	if err != nil {
		return Keys{}, err
	}
	jwks, err := token.JWKSHandler(set)
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{Verifier: verifier{verify}, JWKS: jwks, file: c.KeysFile}
	if set.Signs() {
		issue, err := token.NewIssuer(set, now)
		if err != nil {
			return Keys{}, err
		}
		keys.issuer = issuer{issue, c.TokenTTL}
	}
	return keys, nil
}

// Signer returns what signs access tokens. Its error is fault.Invalid (SIGNING_KEY_MISSING).
func (k Keys) Signer() (account.Issuer, error) {
	if k.issuer == nil {
		return nil, fault.New(fault.Invalid, "SIGNING_KEY_MISSING", "auth.keys_file %s holds public keys alone, and a stack with the module account signs access "+
			"tokens: give it the set that `meridian keys generate` made; what `meridian keys public` makes is for edges and other stacks", k.file)
	}
	return k.issuer, nil
}

type verifier struct{ tokens *token.Verifier }

// Verify implements rpc.Verifier.
func (v verifier) Verify(text string) (rpc.Caller, error) {
	return caller(v.tokens.Verify(text))
}

// Ticket implements rpc.Verifier.
func (v verifier) Ticket(text, path string) (rpc.Caller, error) {
	return caller(v.tokens.Ticket(text, path))
}

func caller(c token.Claims, err error) (rpc.Caller, error) {
	return rpc.Caller{UserID: c.Subject, Home: c.Home, Currency: c.Currency, Role: c.Role}, err
}

// ticketTTL is long enough to open a stream. It is short, because URLs are shown and kept where headers are not.
const ticketTTL = time.Minute

type issuer struct {
	tokens *token.Issuer
	ttl    time.Duration
}

// Issue implements account.Issuer.
func (i issuer) Issue(userID string, home regions.Name, currency money.Currency, path string) (string, time.Time, error) {
	ttl := i.ttl
	if path != "" {
		ttl = ticketTTL
	}
	return i.tokens.Issue(token.Claims{Subject: userID, Home: home, Currency: currency, Path: path}, ttl)
}

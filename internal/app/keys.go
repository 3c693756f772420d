package app

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// keyring is the key set of access tokens in the shapes that rooms ask for.
type keyring struct {
	verifier rpc.Verifier
	issuer   account.Issuer // nil: the set holds public keys alone
	jwks     http.Handler
}

func loadKeys(c config.Config, now clock.Clock) (keyring, error) {
	set, err := token.Load(c.Auth.KeysFile)
	if err != nil {
		return keyring{}, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "auth.keys_file %s cannot be used; make one with `meridian keys generate`", c.Auth.KeysFile)
	}
	verify, err := token.NewVerifier(set, now)
	if err != nil {
		return keyring{}, err
	}
	jwks, err := token.JWKSHandler(set)
	if err != nil {
		return keyring{}, err
	}
	keys := keyring{verifier: verifier{verify}, jwks: jwks}
	if set.Signs() {
		issue, err := token.NewIssuer(set, now)
		if err != nil {
			return keyring{}, err
		}
		keys.issuer = issuer{issue, c.Auth.TokenTTL}
	}
	return keys, nil
}

// signer returns what signs access tokens.
func (k keyring) signer(c config.Config) (account.Issuer, error) {
	if k.issuer == nil {
		return nil, fault.New(fault.Invalid, "SIGNING_KEY_MISSING", "auth.keys_file %s holds public keys alone, and a stack with the module account signs access "+
			"tokens: give it the set that `meridian keys generate` made; what `meridian keys public` makes is for edges and other stacks", c.Auth.KeysFile)
	}
	return k.issuer, nil
}

type verifier struct{ tokens *token.Verifier }

// Verify implements rpc.Verifier.
func (v verifier) Verify(text string) (rpc.Caller, error) {
	c, err := v.tokens.Verify(text)
	return rpc.Caller{UserID: c.Subject, Home: c.Home, Currency: c.Currency, Role: c.Role}, err
}

type issuer struct {
	tokens *token.Issuer
	ttl    time.Duration
}

// Issue implements account.Issuer.
func (i issuer) Issue(userID string, home regions.Name, currency money.Currency) (string, time.Time, error) {
	return i.tokens.Issue(token.Claims{Subject: userID, Home: home, Currency: currency}, i.ttl)
}

// readKey reads a secret of `meridian keys generate`.
func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		var key []byte
		if key, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err == nil {
			return key, nil
		}
	}
	return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the key file %s cannot be used; make one with `meridian keys generate`", path)
}

package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	issuer   = "meridian"
	audience = "meridian"        // whom access tokens are for
	stream   = "meridian/stream" // whom tickets are for

	maxLen   = 2048 // a token's length; ours have about 350 bytes
	remember = 8192 // verified tokens that a Verifier remembers at most
)

// Leeway is what clocks may differ by; an instance whose own is further off is not ready.
const Leeway = 5 * time.Second

// Claims is what a token says about the caller.
type Claims struct {
	Subject  string         // the user's id, usr_<code>_…
	Home     regions.Name   // where the user's rows live
	Currency money.Currency // that the user is shown prices in
	Role     string         // such as support; "": a customer
	Path     string         // the one that a ticket is for; "": it is an access token
}

// payload is the JWT's claim set.
type payload struct {
	jwt.RegisteredClaims
	Home     regions.Name   `json:"home"`
	Currency money.Currency `json:"cur"`
	Role     string         `json:"role,omitempty"`
	Path     string         `json:"path,omitempty"`
}

// Issuer signs tokens. It is safe for concurrent use.
type Issuer struct {
	signer key
	now    clock.Clock
}

// NewIssuer returns an issuer that signs with the set's active key. Errors wrap ErrKeySet: the set has none.
func NewIssuer(s KeySet, now clock.Clock) (*Issuer, error) {
	signer, err := s.signer()
	if err != nil {
		return nil, err
	}
	return &Issuer{signer: signer, now: now}, nil
}

// Issue returns a token that is valid for ttl, in whole seconds, and when it expires. An error means that the
// claims are not such that Verify would accept them.
func (i *Issuer) Issue(c Claims, ttl time.Duration) (token string, expires time.Time, err error) {
	if err := c.check(); err != nil {
		return "", time.Time{}, fmt.Errorf("token: issue: %w", err)
	}
	now := i.now().Truncate(time.Second)
	expires = now.Add(ttl.Truncate(time.Second))
	if !expires.After(now) {
		return "", time.Time{}, fmt.Errorf("token: issue: a life of %s is under a second", ttl)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, payload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{c.audience()}, Subject: c.Subject, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Home: c.Home, Currency: c.Currency, Role: c.Role, Path: c.Path,
	})
	t.Header["kid"] = i.signer.kid
	if token, err = t.SignedString(i.signer.private); err != nil {
		return "", time.Time{}, fmt.Errorf("token: issue: %w", err)
	}
	if len(token) > maxLen {
		return "", time.Time{}, fmt.Errorf("token: issue: %d bytes is more than the %d that Verify reads", len(token), maxLen)
	}
	return token, expires, nil
}

func (c Claims) audience() string {
	if c.Path != "" {
		return stream
	}
	return audience
}

func (c Claims) check() error {
	if c.Subject == "" || c.Home == "" {
		return errors.New("sub and home are required")
	}
	_, err := money.ParseCurrency(string(c.Currency))
	return err
}

// Verifier checks tokens. It remembers those that it found valid, so that a caller's next request costs a
// look-up rather than a signature check. It is safe for concurrent use.
type Verifier struct {
	keys   KeySet
	now    clock.Clock
	parser *jwt.Parser
	seen   *lru.Cache[string, verified] // by the whole token
}

// verified is what was found of a token. It outlives the token, so that one which has expired is said to have.
type verified struct {
	claims  Claims
	expires time.Time
}

// NewVerifier returns a verifier of tokens that any key of the set signed. It keeps no private key.
func NewVerifier(s KeySet, now clock.Clock) (*Verifier, error) {
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%w: it lists no key", ErrKeySet)
	}
	seen, err := lru.New[string, verified](remember)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Verifier{
		keys: s.Public(),
		now:  now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(Leeway),
			jwt.WithTimeFunc(now),
			jwt.WithStrictDecoding(),
		),
		seen: seen,
	}, nil
}

// Verify returns the claims of a valid access token. Errors are fault.Unauthenticated: TOKEN_EXPIRED for a token
// that was valid once, and TOKEN_INVALID for everything else. Neither repeats the token.
func (v *Verifier) Verify(token string) (Claims, error) { return v.Ticket(token, "") }

// Ticket is Verify for a ticket of that path.
func (v *Verifier) Ticket(text, path string) (Claims, error) {
	c, err := v.verify(text)
	if err == nil && c.Path != path {
		return Claims{}, invalid(errors.New("it is for another path, or one is a ticket and the other is none"))
	}
	return c, err
}

func (v *Verifier) verify(token string) (Claims, error) {
	if known, ok := v.seen.Get(token); ok {
		if !v.now().Before(known.expires) {
			return Claims{}, expired(jwt.ErrTokenExpired)
		}
		return known.claims, nil
	}
	if len(token) > maxLen {
		return Claims{}, invalid(fmt.Errorf("%d bytes is longer than any token", len(token)))
	}
	var p payload
	if _, err := v.parser.ParseWithClaims(token, &p, v.publicKey); errors.Is(err, jwt.ErrTokenExpired) {
		return Claims{}, expired(err)
	} else if err != nil {
		return Claims{}, invalid(err)
	}
	claims := Claims{Subject: p.Subject, Home: p.Home, Currency: p.Currency, Role: p.Role, Path: p.Path}
	// A token without an audience is of a release that named none.
	if len(p.Audience) > 0 && !slices.Contains(p.Audience, claims.audience()) {
		return Claims{}, invalid(jwt.ErrTokenInvalidAudience)
	}
	if err := claims.check(); err != nil {
		return Claims{}, invalid(err)
	}
	// A copy, since the token is a part of all that the request's headers hold.
	v.seen.Add(strings.Clone(token), verified{claims: claims, expires: p.ExpiresAt.Add(Leeway)})
	return claims, nil
}

func (v *Verifier) publicKey(t *jwt.Token) (any, error) {
	// Whoever names an extension as critical asks to be refused by those who do not know it (RFC 7515, 4.1.11): we know none.
	if _, critical := t.Header["crit"]; critical {
		return nil, errors.New("the header has crit")
	}
	kid, _ := t.Header["kid"].(string)
	k, ok := v.keys.find(kid)
	if !ok {
		return nil, fmt.Errorf("no key has the kid %.64q", kid)
	}
	return k.public, nil
}

func expired(cause error) error {
	return fault.Wrap(cause, fault.Unauthenticated, "TOKEN_EXPIRED", "The access token has expired; sign in again.")
}

func invalid(cause error) error {
	return fault.Wrap(cause, fault.Unauthenticated, "TOKEN_INVALID", "The access token is not one that this service issued; sign in again.")
}

package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/meridian-commerce/meridian/internal/fault"
)

var ada = Claims{Subject: "usr_eu1_0123456789abcdefghjkmnpqrs", Home: "eu-west-1", Currency: "EUR"}

func issuerOf(t testing.TB, s KeySet) *Issuer {
	t.Helper()
	i, err := NewIssuer(s, at(epoch))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func issue(t testing.TB, s KeySet, c Claims, ttl time.Duration) string {
	t.Helper()
	token, _, err := issuerOf(t, s).Issue(c, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func verifierOf(t testing.TB, s KeySet, now func() time.Time) *Verifier {
	t.Helper()
	v, err := NewVerifier(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rejected checks that err is fault.Unauthenticated of that reason and does not repeat the token.
func rejected(t testing.TB, name string, err error, reason, token string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unauthenticated || f.Reason != reason {
		t.Errorf("%s: err = %v, want %s", name, err, reason)
		return
	}
	if len(token) > 20 && strings.Contains(err.Error(), token) {
		t.Errorf("%s: the error repeats the token: %v", name, err)
	}
}

func TestIssueVerify(t *testing.T) {
	t.Parallel()
	s := generate(t)
	token, expires, err := issuerOf(t, s).Issue(ada, 5*time.Minute)
	if err != nil || !expires.Equal(epoch.Add(5*time.Minute)) {
		t.Fatalf("Issue = %s, %v", expires, err)
	}
	v := verifierOf(t, s.Public(), at(epoch))
	for range 2 { // the second from memory
		if got, err := v.Verify(token); err != nil || got != ada {
			t.Errorf("Verify = %+v, %v, want %+v", got, err, ada)
		}
	}
}

func TestIssueRejects(t *testing.T) {
	t.Parallel()
	i := issuerOf(t, generate(t))
	for name, c := range map[string]Claims{
		"no subject":  {Home: "eu-west-1", Currency: "EUR"},
		"no home":     {Subject: "usr_x", Currency: "EUR"},
		"no currency": {Subject: "usr_x", Home: "eu-west-1"},
		"too long":    {Subject: strings.Repeat("x", maxLen), Home: "eu-west-1", Currency: "EUR"},
	} {
		if _, _, err := i.Issue(c, time.Minute); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, _, err := i.Issue(ada, 999*time.Millisecond); err == nil {
		t.Error("issued for less than a second")
	}
	if _, err := NewIssuer(generate(t).Public(), at(epoch)); !errors.Is(err, ErrKeySet) {
		t.Errorf("an issuer without a private key: %v", err)
	}
	if _, err := NewVerifier(KeySet{}, at(epoch)); !errors.Is(err, ErrKeySet) {
		t.Errorf("a verifier without a key: %v", err)
	}
}

// TestExpiry: a token is refused from the leeway after its exp on, whether or not it is remembered.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := generate(t)
	token := issue(t, s, ada, time.Minute)
	now := epoch
	warm := verifierOf(t, s, func() time.Time { return now })
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {time.Minute, true}, {time.Minute + Leeway - time.Nanosecond, true}, {time.Minute + Leeway, false}, {time.Hour, false}} {
		now = epoch.Add(c.after)
		for name, v := range map[string]*Verifier{"warm": warm, "cold": verifierOf(t, s, at(now))} {
			got, err := v.Verify(token)
			if c.ok && (err != nil || got != ada) {
				t.Errorf("%s after %s: %+v, %v", name, c.after, got, err)
			} else if !c.ok {
				rejected(t, name+" after "+c.after.String(), err, "TOKEN_EXPIRED", token)
			}
		}
	}
}

// TestTickets: a ticket opens its path alone, and is no access token; nor is an access token a ticket.
func TestTickets(t *testing.T) {
	t.Parallel()
	s := generate(t)
	const path = "/v1/orders/x/events"
	of := ada
	of.Path = path
	ticket, access := issue(t, s, of, time.Minute), issue(t, s, ada, time.Minute)
	v := verifierOf(t, s, at(epoch))
	for range 2 { // the second time it is remembered
		if got, err := v.Ticket(ticket, path); err != nil || got != of {
			t.Errorf("the ticket: %+v, %v", got, err)
		}
		_, err := v.Verify(ticket)
		rejected(t, "a ticket as a token", err, "TOKEN_INVALID", ticket)
		_, err = v.Ticket(ticket, path+"x")
		rejected(t, "a ticket for another path", err, "TOKEN_INVALID", ticket)
		_, err = v.Ticket(access, path)
		rejected(t, "a token as a ticket", err, "TOKEN_INVALID", access)
		_, err = v.Ticket(ticket, "")
		rejected(t, "a ticket for no path", err, "TOKEN_INVALID", ticket)
	}
	_, err := verifierOf(t, s, at(epoch.Add(time.Minute+Leeway))).Ticket(ticket, path)
	rejected(t, "an old ticket", err, "TOKEN_EXPIRED", ticket)
}

// sign makes a token as an attacker, or another service with the same key, might.
func sign(t testing.TB, method jwt.SigningMethod, secret any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	forged := jwt.NewWithClaims(method, claims)
	for k, v := range header {
		if forged.Header[k] = v; v == nil {
			delete(forged.Header, k)
		}
	}
	token, err := forged.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestForgeries(t *testing.T) {
	t.Parallel()
	s, stranger := generate(t), generate(t)
	k := s.keys[0]
	claims := func(change ...any) jwt.MapClaims {
		m := jwt.MapClaims{
			"iss": "meridian", "sub": ada.Subject, "home": "eu-west-1", "cur": "EUR", "exp": epoch.Add(time.Hour).Unix(),
		}
		for i := 0; i < len(change); i += 2 {
			name := change[i].(string) //nolint:errcheck // a test's own pairs
			if m[name] = change[i+1]; change[i+1] == nil {
				delete(m, name)
			}
		}
		return m
	}
	kid := map[string]any{"kid": k.kid}
	v := verifierOf(t, s, at(epoch))
	good := sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims())
	if _, err := v.Verify(good); err != nil {
		t.Fatalf("the pattern of all forgeries is rejected itself: %v", err)
	}
	ours := sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("aud", []string{"elsewhere", "meridian"}))
	if _, err := v.Verify(ours); err != nil {
		t.Errorf("a token for several audiences, us among them: %v", err)
	}
	for _, name := range []string{"iat", "nbf"} { // of an issuer whose clock is ahead
		if _, err := v.Verify(sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims(name, epoch.Add(Leeway).Unix()))); err != nil {
			t.Errorf("%s within the leeway: %v", name, err)
		}
	}
	parts := strings.Split(good, ".")
	x := base64.RawURLEncoding.EncodeToString(k.public)
	for name, token := range map[string]string{
		"empty":               "",
		"not a token":         "abc",
		"two parts":           parts[0] + "." + parts[1],
		"no signature":        parts[0] + "." + parts[1] + ".",
		"another's payload":   parts[0] + "." + strings.Split(sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("sub", "usr_us1_x")), ".")[1] + "." + parts[2],
		"other spelling":      respell(good),
		"padded":              good + "=",
		"space":               " " + good,
		"alg none":            sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid, claims()),
		"HS256 by public key": sign(t, jwt.SigningMethodHS256, []byte(k.public), kid, claims()),
		"HS256 by x":          sign(t, jwt.SigningMethodHS256, []byte(x), kid, claims()),
		"stranger's key":      sign(t, jwt.SigningMethodEdDSA, stranger.keys[0].private, kid, claims()),
		"stranger's kid":      sign(t, jwt.SigningMethodEdDSA, stranger.keys[0].private, map[string]any{"kid": stranger.keys[0].kid}, claims()),
		"wrong kid":           sign(t, jwt.SigningMethodEdDSA, k.private, map[string]any{"kid": "other"}, claims()),
		"no kid":              sign(t, jwt.SigningMethodEdDSA, k.private, nil, claims()),
		"numeric kid":         sign(t, jwt.SigningMethodEdDSA, k.private, map[string]any{"kid": 7}, claims()),
		"embedded key":        sign(t, jwt.SigningMethodEdDSA, stranger.keys[0].private, map[string]any{"kid": "new", "jwk": stranger.keys[0].jwk()}, claims()),
		"another issuer":      sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("iss", "elsewhere")),
		"another audience":    sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("aud", "elsewhere")),
		"critical extension":  sign(t, jwt.SigningMethodEdDSA, k.private, map[string]any{"kid": k.kid, "crit": []string{"b64"}}, claims()),
		"no issuer":           sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("iss", nil)),
		"no expiry":           sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("exp", nil)),
		"expiry of text":      sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("exp", "never")),
		"not yet":             sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("nbf", epoch.Add(Leeway+time.Second).Unix())),
		"issued later":        sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("iat", epoch.Add(Leeway+time.Second).Unix())),
		"issued in text":      sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("iat", "now")),
		"no subject":          sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("sub", nil)),
		"no home":             sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("home", "")),
		"no such currency":    sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("cur", "XXX")),
		"too long":            sign(t, jwt.SigningMethodEdDSA, k.private, kid, claims("pad", strings.Repeat("x", maxLen))),
	} {
		got, err := v.Verify(token)
		rejected(t, name, err, "TOKEN_INVALID", token)
		if got != (Claims{}) {
			t.Errorf("%s: claims %+v beside the error", name, got)
		}
	}
}

// respell changes bits of the last character that carry no data: 64 bytes leave four of them.
func respell(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	s := generate(t)
	v := verifierOf(t, s, at(epoch))
	v.seen = remembering(t, 10)
	inUse := issue(t, s, ada, time.Minute)
	for i := range 40 {
		other := ada
		other.Subject = fmt.Sprint("usr_eu1_", i)
		for _, token := range []string{issue(t, s, other, time.Minute), inUse} {
			if _, err := v.Verify(token); err != nil {
				t.Fatal(err)
			}
		}
		if n := v.seen.Len(); n > 10 || !v.seen.Contains(inUse) {
			t.Fatalf("after %d others, %d tokens are remembered, the one in use among them: %v", i, n, v.seen.Contains(inUse))
		}
	}
}

func remembering(t testing.TB, n int) *lru.Cache[string, verified] {
	t.Helper()
	seen, err := lru.New[string, verified](n)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestVerifyConcurrently(t *testing.T) {
	t.Parallel()
	s := generate(t)
	v := verifierOf(t, s, at(epoch))
	v.seen = remembering(t, 3)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			c := ada
			c.Subject = fmt.Sprint("usr_eu1_", g)
			token := issue(t, s, c, time.Minute)
			for range 50 {
				if got, err := v.Verify(token); err != nil || got != c {
					t.Errorf("Verify = %+v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzVerify: whatever is presented, only the token that was issued is valid.
func FuzzVerify(f *testing.F) {
	s := KeySet{active: "k"}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, _ := private.Public().(ed25519.PublicKey)
	s.keys = []key{{kid: "k", public: public, private: private}}
	good := issue(f, s, ada, time.Minute)
	for _, seed := range []string{good, good[:len(good)-1], good + ".", "..", "", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	v := verifierOf(f, s, at(epoch))
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(token)
		switch {
		case token == good && (err != nil || got != ada):
			t.Errorf("the issued token: %+v, %v", got, err)
		case token != good:
			rejected(t, "a changed token", err, "TOKEN_INVALID", "")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := generate(b)
	token := issue(b, s, ada, time.Hour)
	b.Run("remembered", func(b *testing.B) {
		v := verifierOf(b, s, at(epoch))
		for b.Loop() {
			if _, err := v.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		v := verifierOf(b, s, at(epoch))
		for b.Loop() {
			v.seen.Purge()
			if _, err := v.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

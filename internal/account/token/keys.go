// Package token issues and verifies access tokens: JWTs signed with EdDSA (Ed25519, RFC 8037), verified
// locally by key id, without asking anyone. A KeySet holds several keys, so that a new one can be known to
// every verifier before it signs and an old one until its last token has expired.
package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// ErrKeySet is wrapped by every error about a key set's content.
var ErrKeySet = errors.New("token: bad key set")

// KeySet is a set of Ed25519 keys, of which one signs. It never changes and prints without its secrets. A set
// may lack private keys: it verifies and does not sign.
type KeySet struct {
	active string // kid of the signer; "" in a set that only verifies
	keys   []key  // in the file's order
}

type key struct {
	kid     string
	created time.Time
	public  ed25519.PublicKey
	private ed25519.PrivateKey // nil where it is not known
}

// Generate returns a set of one new key, which signs.
func Generate(now clock.Clock) (KeySet, error) {
	s, err := KeySet{}.Publish(now)
	if err != nil {
		return KeySet{}, err
	}
	return s.SignWith(s.keys[0].kid)
}

// Public returns the set without private keys, for those who only verify.
func (s KeySet) Public() KeySet {
	public := KeySet{keys: make([]key, len(s.keys))}
	for i, k := range s.keys {
		k.private = nil
		public.keys[i] = k
	}
	return public
}

// Signs reports whether the set holds the private key that signs.
func (s KeySet) Signs() bool {
	_, err := s.signer()
	return err == nil
}

// String names the keys, and no secret.
func (s KeySet) String() string {
	return fmt.Sprintf("token.KeySet(%d keys, %q signs)", len(s.keys), s.active)
}

// GoString is String: no verb prints a secret.
func (s KeySet) GoString() string { return s.String() }

// file is the form of a key set on disk: a JWK set (RFC 7517) with one member more.
type file struct {
	Active string `json:"active,omitempty"`
	Keys   []jwk  `json:"keys"`
}

// jwk is a key pair of the type OKP, "octet key pair" (RFC 8037).
type jwk struct {
	KeyType   string     `json:"kty"`
	Curve     string     `json:"crv"`
	KeyID     string     `json:"kid"`
	Algorithm string     `json:"alg"`
	Use       string     `json:"use"`
	X         string     `json:"x"`
	D         string     `json:"d,omitempty"`       // the private key's seed
	Created   *time.Time `json:"created,omitempty"` // ours; in files only
}

// Load reads a key set file.
func Load(path string) (KeySet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return KeySet{}, fmt.Errorf("token: read key set: %w", err)
	}
	return Parse(text)
}

// Save writes the set with its secrets to a file that only its owner may read. A file that was there is
// replaced as a whole or not at all.
func (s KeySet) Save(path string) error {
	content := file{Active: s.active}
	for _, k := range s.keys {
		j := k.jwk()
		j.Created = &k.created
		if k.private != nil {
			j.D = base64.RawURLEncoding.EncodeToString(k.private.Seed())
		}
		content.Keys = append(content.Keys, j)
	}
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("token: encode key set: %w", err)
	}
	return replaceFile(path, append(text, '\n'), 0o600)
}

// SavePublic writes the public keys as a JWK set, which Load reads, to a file that everybody may read. A file that was
// there is replaced as a whole or not at all.
func (s KeySet) SavePublic(path string) error {
	text, err := s.JWKS()
	if err != nil {
		return err
	}
	return replaceFile(path, append(text, '\n'), 0o644)
}

func replaceFile(path string, text []byte, mode os.FileMode) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keys-*")
	if err != nil {
		return fmt.Errorf("token: save key set: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
			err = fmt.Errorf("token: save key set: %w", err)
		}
	}()
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// Parse reads a key set's JSON: a file that Save wrote, or a public JWK set. Errors wrap ErrKeySet.
func Parse(text []byte) (KeySet, error) {
	var content file
	if err := json.Unmarshal(text, &content); err != nil {
		return KeySet{}, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	s := KeySet{active: content.Active}
	for _, j := range content.Keys {
		k, err := j.key()
		if err != nil {
			return KeySet{}, fmt.Errorf("%w: key %.64q: %w", ErrKeySet, j.KeyID, err)
		}
		if _, taken := s.find(k.kid); taken {
			return KeySet{}, fmt.Errorf("%w: key %.64q is listed twice", ErrKeySet, j.KeyID)
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 {
		return KeySet{}, fmt.Errorf("%w: it lists no key", ErrKeySet)
	}
	if _, err := s.signer(); s.active != "" && err != nil {
		return KeySet{}, err
	}
	return s, nil
}

// signer returns the active key. Errors wrap ErrKeySet.
func (s KeySet) signer() (key, error) {
	k, ok := s.find(s.active)
	if !ok || k.private == nil {
		return key{}, fmt.Errorf("%w: it lists no private key for the active kid %.64q", ErrKeySet, s.active)
	}
	return k, nil
}

func (s KeySet) find(kid string) (key, bool) {
	for _, k := range s.keys {
		if k.kid == kid {
			return k, true
		}
	}
	return key{}, false
}

// key checks a JWK.
func (j jwk) key() (key, error) {
	if j.KeyType != "OKP" || j.Curve != "Ed25519" || (j.Algorithm != "" && j.Algorithm != "EdDSA") {
		return key{}, errors.New("it is not an Ed25519 key (kty OKP, crv Ed25519, alg EdDSA)")
	}
	if j.KeyID == "" {
		return key{}, errors.New("it has no kid")
	}
	public, err := base64.RawURLEncoding.Strict().DecodeString(j.X)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return key{}, errors.New("x is not 32 bytes in base64url")
	}
	k := key{kid: j.KeyID, public: public}
	if j.Created != nil {
		k.created = *j.Created
	}
	if j.D == "" {
		return k, nil
	}
	seed, err := base64.RawURLEncoding.Strict().DecodeString(j.D)
	if err != nil || len(seed) != ed25519.SeedSize {
		return key{}, errors.New("d is not 32 bytes in base64url")
	}
	k.private = ed25519.NewKeyFromSeed(seed)
	if !k.public.Equal(k.private.Public()) {
		return key{}, errors.New("x is not d's public key")
	}
	return k, nil
}

// jwk returns the public half.
func (k key) jwk() jwk {
	return jwk{
		KeyType: "OKP", Curve: "Ed25519", KeyID: k.kid, Algorithm: "EdDSA", Use: "sig",
		X: base64.RawURLEncoding.EncodeToString(k.public),
	}
}

// thumbprint names a key by its content (RFC 7638, RFC 8037 appendix A.3).
func thumbprint(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// JWKS returns the public keys as a JWK set, which Parse reads.
func (s KeySet) JWKS() ([]byte, error) {
	var content file
	for _, k := range s.keys {
		content.Keys = append(content.Keys, k.jwk())
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("token: encode JWK set: %w", err)
	}
	return text, nil
}

// Cached is how long others may keep the answer of /.well-known/jwks.json, and so how long a new key may be unknown to
// those who verify tokens by it.
const Cached = 5 * time.Minute

// JWKSHandler serves the public keys as a JWK set, for /.well-known/jwks.json.
func JWKSHandler(s KeySet) (http.Handler, error) {
	body, err := s.JWKS()
	if err != nil {
		return nil, err
	}
	fresh := fmt.Sprintf("public, max-age=%.0f", Cached.Seconds())
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", fresh)
		_, _ = w.Write(body) // the caller hung up
	}), nil
}

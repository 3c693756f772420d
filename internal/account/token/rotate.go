package token

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// Key is what may be told of a key.
type Key struct {
	ID      string
	Created time.Time // zero where the file does not say
	Signs   bool
}

// Keys returns what may be told of the set's keys, in the file's order: newer ones come first.
func (s KeySet) Keys() []Key {
	out := make([]Key, len(s.keys))
	for i, k := range s.keys {
		out[i] = Key{ID: k.kid, Created: k.created, Signs: k.kid == s.active}
	}
	return out
}

// Has reports whether the set has a key of that id.
func (s KeySet) Has(id string) bool {
	_, ok := s.find(id)
	return ok
}

// Signer returns the id of the key that signs; "" in a set that only verifies.
func (s KeySet) Signer() string { return s.active }

// Publish returns the set with one more key, the first. It verifies, and signs nothing yet: give it to every verifier first.
func (s KeySet) Publish(now clock.Clock) (KeySet, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return KeySet{}, fmt.Errorf("token: generate key: %w", err)
	}
	k := key{kid: thumbprint(public), created: now().Truncate(time.Second), public: public, private: private}
	return KeySet{active: s.active, keys: append([]key{k}, s.keys...)}, nil
}

// SignWith returns the set with that key as the one that signs; the others still verify. Errors wrap ErrKeySet: the set
// lacks the key, or its private half.
func (s KeySet) SignWith(id string) (KeySet, error) {
	next := KeySet{active: id, keys: s.keys}
	if _, err := next.signer(); err != nil {
		return KeySet{}, err
	}
	return next, nil
}

// Only returns the set with nothing but the key that signs: what others signed is refused from then on.
func (s KeySet) Only() (KeySet, error) {
	k, err := s.signer()
	if err != nil {
		return KeySet{}, err
	}
	return KeySet{active: s.active, keys: []key{k}}, nil
}

// Succeeds tells why the set may not take the place of one that is in use, nil if it may: it has none of its keys, so that
// every token would be refused, or another key by the same id. Errors wrap ErrKeySet.
func (s KeySet) Succeeds(former KeySet) error {
	common := false
	for _, k := range s.keys {
		before, ok := former.find(k.kid)
		if ok && !before.public.Equal(k.public) {
			return fmt.Errorf("%w: the key %.64q is another one than that which is in use by this id", ErrKeySet, k.kid)
		}
		common = common || ok
	}
	if !common {
		return fmt.Errorf("%w: none of its keys is in use, so every token would be refused; is it another deployment's? A restart takes it", ErrKeySet)
	}
	return nil
}

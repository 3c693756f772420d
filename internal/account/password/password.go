// Package password hashes passwords with argon2id and verifies them. Hashes are PHC strings that carry their
// own costs, so that the costs can be raised while old hashes keep working. Half of the processors compute them at
// a time, and a short line waits: a flood of sign-ins leaves the other half to those who have signed in.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/meridian-commerce/meridian/internal/fault"
)

const (
	saltLen = 16 // bytes of a new hash
	keyLen  = 32 // as much

	lineOfSlot = 16 // who wait for each slot at most: longer than a second or two nobody should
)

// Hasher hashes and verifies. It is safe for concurrent use.
type Hasher struct {
	costs params
	slots chan struct{} // one for each hash being computed
	line  chan struct{} // one for each caller who waits for a slot
	decoy parsed
}

// New returns a hasher with the costs that new hashes get: 19 MiB, two passes, one thread (OWASP).
func New() *Hasher {
	return newHasher(params{memory: 19 * 1024, time: 2, threads: 1}, max(1, runtime.GOMAXPROCS(0)/2))
}

func newHasher(costs params, slots int) *Hasher {
	return &Hasher{
		costs: costs,
		slots: make(chan struct{}, slots),
		line:  make(chan struct{}, lineOfSlot*slots),
		decoy: parsed{params: costs, salt: make([]byte, saltLen), key: make([]byte, keyLen)},
	}
}

// Hash returns a new PHC string of a password, about 100 ASCII characters. The error is fault.Unavailable
// SIGN_IN_BUSY: the line is full, or ctx ended in it.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	p := parsed{params: h.costs, salt: make([]byte, saltLen)}
	_, _ = rand.Read(p.salt) // never fails (crypto/rand)
	var err error
	if p.key, err = h.derive(ctx, p.params, p.salt, keyLen, password); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Verify reports whether hash is of that password, in a time that depends on the hash's costs alone. Errors
// wrap ErrFormat, for a hash that cannot be read, or are fault.Unavailable SIGN_IN_BUSY: the line is full, or ctx ended in it.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	p, err := parse(hash)
	if err != nil {
		return false, err
	}
	return h.matches(ctx, p, password)
}

// VerifyNobody takes as long as Verify does of a new hash and finds no match. Call it at a sign-in of a user
// who does not exist, or else the time of the answer tells who does. Errors are as Hash's.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	_, err := h.matches(ctx, h.decoy, password)
	return err
}

// NeedsRehash reports whether a hash has other costs than new ones get, or cannot be read. The moment to
// replace it is a sign-in that Verify has just accepted.
func (h *Hasher) NeedsRehash(hash string) bool {
	p, err := parse(hash)
	return err != nil || p.params != h.costs || len(p.salt) != saltLen || len(p.key) != keyLen
}

func (h *Hasher) matches(ctx context.Context, p parsed, password string) (bool, error) {
	key, err := h.derive(ctx, p.params, p.salt, uint32(len(p.key)), password)
	if err != nil {
		return false, err
	}
	// A comparison that ends at the first difference would tell how much of a key is right.
	return subtle.ConstantTimeCompare(key, p.key) == 1, nil
}

// derive waits for a slot and computes argon2id, which cannot be interrupted.
func (h *Hasher) derive(ctx context.Context, p params, salt []byte, length uint32, password string) ([]byte, error) {
	// A select with a free slot would choose at random, and hash for a caller who has left.
	if err := ctx.Err(); err != nil {
		return nil, busy(err)
	}
	if err := h.wait(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, length), nil
}

// wait takes a slot, in line if there is none.
func (h *Hasher) wait(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case h.line <- struct{}{}:
		defer func() { <-h.line }()
	default:
		return busy(errLineFull) // now, rather than after its caller's patience
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return busy(ctx.Err())
	}
}

var errLineFull = errors.New("the line is full")

func busy(cause error) error {
	return fault.Wrap(fmt.Errorf("password: wait for a slot: %w", cause), fault.Unavailable, "SIGN_IN_BUSY",
		"Too many people are signing in at this moment; try again.").After(time.Second)
}

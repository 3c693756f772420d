// Package id makes and reads Meridian's identifiers: kind_code_random, such as
// ord_eu1_6f3k…, where code is the home region's and the random part is a version 4 UUID in lower-case base32.
// Any edge can route by an id alone. The random part is not ordered by time: time-ordered keys would put
// every insert of a region into one range.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

// Kind is what an id names.
type Kind string

// The kinds of regional ids.
const (
	User    Kind = "usr"
	Order   Kind = "ord"
	Payment Kind = "pay"
	Event   Kind = "evt"
	Entry   Kind = "led"
	Refund  Kind = "rfd"
)

// Variant is the kind of ids that New makes with the code Global.
const Variant Kind = "var"

// Global stands in ids for the code of a home, where the row is in every region. No region has it.
const Global regions.Code = "global"

// ErrMalformed is wrapped by every error about an id's text.
var ErrMalformed = errors.New("id: malformed")

const (
	alphabet  = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's
	randomLen = 26                                 // 16 bytes in base32
)

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// New returns a fresh id of that kind for rows whose home has that code.
func New(kind Kind, code regions.Code) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return string(kind) + "_" + string(code) + "_" + encoding.EncodeToString(b[:])
}

// Of returns the id of that kind that belongs to a row of which there is one at most for another id's row: it has
// that one's home and random part, so it is the same whenever it is made. of is an id that Home accepted.
func Of(kind Kind, of string) string {
	_, rest, _ := strings.Cut(of, "_")
	return string(kind) + "_" + rest
}

// Parse splits an id and checks its form; it does not know which codes exist.
func Parse(s string) (Kind, regions.Code, error) {
	kind, rest, ok := strings.Cut(s, "_")
	code, random, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 || len(kind) != 3 || len(code) < 3 || len(code) > 6 || len(random) != randomLen || !alphanumeric(kind+code) {
		return "", "", fmt.Errorf("%w: %.64q", ErrMalformed, s)
	}
	if strings.Trim(random, alphabet) != "" { // the decoder would skip line breaks
		return "", "", fmt.Errorf("%w: %.64q", ErrMalformed, s)
	}
	return Kind(kind), regions.Code(code), nil
}

// Home returns the region that an id of the wanted kind belongs to.
// Errors wrap ErrMalformed: not an id, another kind, or a region that the set does not have.
func Home(c *regions.Set, want Kind, s string) (regions.Name, error) {
	kind, code, err := Parse(s)
	if err != nil {
		return "", err
	}
	if kind != want {
		return "", fmt.Errorf("%w: %.64q is a %s id, not a %s id", ErrMalformed, s, kind, want)
	}
	home, ok := c.ByCode(code)
	if !ok {
		return "", fmt.Errorf("%w: %.64q names region code %q, which is not in the set of regions", ErrMalformed, s, code)
	}
	return home, nil
}

func alphanumeric(s string) bool {
	for _, r := range []byte(s) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

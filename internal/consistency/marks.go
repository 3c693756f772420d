// Package consistency lets callers read their own writes, wherever they ask next. The answer to a write carries a
// token that names what was written, by kind and name, and its version. A request that brings the token back is not
// answered from a copy that is older: a cache reads the system of record instead.
//
//	write ── commit ── Wrote(ctx, "product", "tea", 7) ──▶ answer, Meridian-Consistency: <token>
//	read, Meridian-Consistency: <token> ── Least(ctx, "product", "tea") = 7 ──▶ a copy at version 6 is refused
//
// A token is short-lived, since no copy lives longer, and neither secret nor signed: the most that a made-up one does
// is to have the system of record read, which its maker may anyway.
package consistency

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Header is the header that carries a token, on requests and answers.
const Header = "Meridian-Consistency"

// Life is how long a token counts: longer than any copy may be out of date, with a minute for clocks that differ.
const Life = 2 * time.Minute

// skew is how far ahead the clock of whoever issued a token may be.
const skew = 2 * time.Minute

// Newest is the version of what was written together with so much else that the token names only the kind: no copy
// will do.
const Newest = math.MaxInt64

const (
	maxText  = 1 << 10 // bytes of a token
	maxMarks = 8       // things that a token names; more become all of their kind
	every    = "*"
)

// Marks are the least versions that a caller is to see, by kind and name. The zero Marks are none. They never change.
type Marks struct{ least map[string]int64 }

// wire is a token's content.
type wire struct {
	Until int64            `json:"u"` // Unix seconds
	Least map[string]int64 `json:"v"`
}

// Parse reads a token. "" and one whose time is over are no marks. A text that is no token is fault.Invalid
// (CONSISTENCY_TOKEN_INVALID).
func Parse(text string, now time.Time) (Marks, error) {
	if text == "" {
		return Marks{}, nil
	}
	var w wire
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &w)
	}
	// One that lasts longer than any that is issued is made up: it would have the system of record read for ever.
	valid := err == nil && len(text) <= maxText && len(w.Least) <= maxMarks && w.Until <= now.Add(Life+skew).Unix()
	for name, version := range w.Least {
		kind, rest, ok := strings.Cut(name, "/")
		valid = valid && ok && kind != "" && rest != "" && version > 0
	}
	switch {
	case !valid:
		return Marks{}, fault.Wrap(err, fault.Invalid, "CONSISTENCY_TOKEN_INVALID", "%s is not a token of an earlier answer", Header)
	case now.Unix() >= w.Until:
		return Marks{}, nil
	}
	return Marks{w.Least}, nil
}

// Token writes the marks as a token that counts from now on; "" for none.
func (m Marks) Token(now time.Time) string {
	if len(m.least) == 0 {
		return ""
	}
	for _, m := range [...]Marks{m, m.widened()} {
		raw, err := json.Marshal(wire{now.Add(Life).Unix(), m.least})
		if text := base64.RawURLEncoding.EncodeToString(raw); err == nil && len(text) <= maxText {
			return text
		}
	}
	return "" // only a made-up token has kinds with such names
}

// Least returns the least version of something that will do: 0 for any.
func (m Marks) Least(kind, name string) int64 {
	return max(m.least[kind+"/"+name], m.least[kind+"/"+every])
}

// With returns the marks and one more.
func (m Marks) With(kind, name string, version int64) Marks {
	one := Marks{map[string]int64{kind + "/" + name: version}}
	return m.And(one)
}

// And returns the marks and those of another, the later version of each.
func (m Marks) And(other Marks) Marks {
	out := Marks{make(map[string]int64, len(m.least)+len(other.least))}
	for _, from := range [...]Marks{m, other} {
		for name, version := range from.least {
			out.least[name] = max(out.least[name], version)
		}
	}
	if len(out.least) > maxMarks {
		return out.widened()
	}
	return out
}

// widened names the kinds alone.
func (m Marks) widened() Marks {
	out := Marks{map[string]int64{}}
	for name := range m.least {
		kind, _, _ := strings.Cut(name, "/")
		out.least[kind+"/"+every] = Newest
	}
	return out
}

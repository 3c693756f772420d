package cache

import (
	"strconv"
	"time"
)

// Outcome is where a value came from.
type Outcome string

// The outcomes of a fetch.
const (
	Hit     Outcome = "hit"     // from Redis
	Stale   Outcome = "stale"   // from Redis, past its freshness; it is being loaded anew
	Miss    Outcome = "miss"    // loaded, since Redis had no entry, or another version
	Bypass  Outcome = "bypass"  // loaded, since Redis did not answer
	Refused Outcome = "refused" // loaded, since the caller asked for something newer than Redis had
)

// Status describes one fetch.
type Status struct {
	Outcome   Outcome
	TTL       time.Duration // of a Hit or Stale: how much longer it is fresh; negative: for how long it has not been
	Stored    bool          // the loaded value was put into Redis
	Collapsed bool          // the caller joined another caller's fetch
}

// Loaded reports whether the value was loaded for this very caller, and so after it asked.
func (s Status) Loaded() bool {
	return !s.Collapsed && (s.Outcome == Miss || s.Outcome == Bypass || s.Outcome == Refused)
}

// Header renders s as a Cache-Status header's value (RFC 9211) of the cache of that name, a token or any text.
func (s Status) Header(name string) string {
	value := quoted(name)
	switch s.Outcome {
	case Hit:
		value += "; hit; ttl=" + s.seconds()
	case Stale:
		value += "; hit; ttl=" + s.seconds() + "; detail=stale"
	case Miss:
		value += "; fwd=uri-miss"
	case Refused:
		value += "; fwd=request"
	default:
		value += "; fwd=bypass"
	}
	if s.Stored {
		value += "; stored"
	}
	if s.Collapsed {
		value += "; collapsed"
	}
	return value
}

// seconds rounds down, so that what is not fresh any more is negative.
func (s Status) seconds() string {
	whole := int64(s.TTL / time.Second)
	if s.TTL%time.Second < 0 {
		whole--
	}
	return strconv.FormatInt(whole, 10)
}

// quoted renders a structured field's string (RFC 8941), which holds printable ASCII only.
func quoted(s string) string {
	out := []byte{'"'}
	for _, b := range []byte(s) {
		switch {
		case b < ' ' || b > '~':
			b = '?'
		case b == '"' || b == '\\':
			out = append(out, '\\')
		}
		out = append(out, b)
	}
	return string(append(out, '"'))
}

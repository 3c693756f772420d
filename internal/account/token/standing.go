package token

import (
	"strings"
	"time"
)

// Standing is what a process says of the keys that it has in use, for whoever replaces them.
type Standing struct {
	Verifies []string      // the ids of the keys whose tokens it takes
	Signs    string        // the id of the key that it signs with; "": it signs nothing
	Longest  time.Duration // that anything lives which it signs
}

// The names under which a process says it: of metadata in Consul, which takes no more than so many bytes for a value.
const (
	metaVerifies = "keys_verify"
	metaSigns    = "keys_sign"
	metaLongest  = "keys_longest"
	metaLimit    = 512
)

// Metadata returns the standing as names and values. Of more keys than fit, the last are left out: they are the oldest.
func (s Standing) Metadata() map[string]string {
	var verifies strings.Builder
	for _, id := range s.Verifies {
		if verifies.Len()+len(",")+len(id) > metaLimit {
			break
		}
		if verifies.Len() > 0 {
			verifies.WriteString(",")
		}
		verifies.WriteString(id)
	}
	out := map[string]string{metaVerifies: verifies.String()}
	if s.Signs != "" && len(s.Signs) <= metaLimit {
		out[metaSigns] = s.Signs
		out[metaLongest] = s.Longest.String()
	}
	return out
}

// ParseStanding reads what Metadata returned, among other values or not. It is not ok if nothing is said of keys, as by a
// release that did not.
func ParseStanding(meta map[string]string) (s Standing, ok bool) {
	verifies, ok := meta[metaVerifies]
	if !ok || verifies == "" {
		return Standing{}, false
	}
	s.Verifies = strings.Split(verifies, ",")
	if s.Signs = meta[metaSigns]; s.Signs == "" {
		return s, true
	}
	longest, err := time.ParseDuration(meta[metaLongest])
	s.Longest = longest
	return s, err == nil
}

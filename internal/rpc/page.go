package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Page sizes (AIP-158).
const (
	DefaultPageSize = 20
	MaxPageSize     = 100
)

// PageSize checks a requested page size: 0 means the default.
func PageSize(requested int32) (int, error) {
	switch {
	case requested == 0:
		return DefaultPageSize, nil
	case requested < 0 || requested > MaxPageSize:
		return 0, fault.New(fault.Invalid, "PAGE_SIZE_INVALID", "page_size is 1 to %d, or 0 for the default", MaxPageSize)
	}
	return int(requested), nil
}

// PageToken writes where the next page starts as an opaque token, for the list that it is of: the method and all
// that chose and ordered what it lists.
func PageToken(cursor any, of ...string) string {
	text, err := json.Marshal(cursor)
	if err != nil {
		return "" // cursors are structs of strings, numbers and times
	}
	return base64.RawURLEncoding.EncodeToString(append(listing(of), text...))
}

// ReadPageToken reads a token of that list into cursor; an empty token leaves it alone. Errors are fault.Invalid
// (PAGE_TOKEN_INVALID).
func ReadPageToken(token string, cursor any, of ...string) error {
	if token == "" {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	list, ours := bytes.CutPrefix(text, listing(of))
	if err == nil && ours {
		err = json.Unmarshal(list, cursor)
	}
	if err != nil || !ours {
		return fault.Wrap(err, fault.Invalid, "PAGE_TOKEN_INVALID", "page_token is not one that a previous page of the same list returned; send all else as it was then")
	}
	return nil
}

// listing tells lists apart. It keeps no secret: whoever forges a token sees what the list shows anyway.
func listing(of []string) []byte {
	const enough = 6
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", of))
	return sum[:enough]
}

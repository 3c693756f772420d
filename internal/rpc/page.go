package rpc

import (
	"encoding/base64"
	"encoding/json"

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

// PageToken writes where the next page starts as an opaque token.
func PageToken(cursor any) string {
	text, err := json.Marshal(cursor)
	if err != nil {
		return "" // cursors are structs of strings, numbers and times
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ReadPageToken reads a token into cursor; an empty token leaves it alone.
func ReadPageToken(token string, cursor any) error {
	if token == "" {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, cursor)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "PAGE_TOKEN_INVALID", "page_token is not one that a previous page returned")
	}
	return nil
}

package wire

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// check refuses what could be read as something else than the one request that it is. What it passes is written in one
// go, so that it is whole or not there.
func check(r *http.Request) error {
	target := r.URL.RequestURI()
	if !token(r.Method) || target == "" || target[0] != '/' || !visible(target) || !visible(host(r)) {
		return fmt.Errorf("%w: method %.20q, target %.80q, host %.80q", ErrMalformed, r.Method, target, host(r))
	}
	for name, values := range r.Header {
		if !token(name) {
			return fmt.Errorf("%w: header name %.40q", ErrMalformed, name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("%w: value of %.40q", ErrMalformed, name)
			}
		}
	}
	if r.ContentLength < 0 || len(r.Trailer) > 0 || r.ContentLength > 0 && r.Body == nil {
		return fmt.Errorf("%w: a body of no known length", ErrMalformed)
	}
	return nil
}

func host(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

func token(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// visible reports whether s has nothing but visible ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// appendRequest appends the whole request, body included: one write wakes the stack once.
func appendRequest(b []byte, r *http.Request) ([]byte, error) {
	b = append(append(b, r.Method...), ' ')
	b = append(append(b, r.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, host(r)...), '\r', '\n')
	for name, values := range r.Header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Host", "Trailer", "Connection", "Upgrade":
			continue // framing is said once, below
		}
		for _, v := range values {
			b = append(append(b, name...), ':', ' ')
			b = append(append(b, v...), '\r', '\n')
		}
	}
	if r.ContentLength > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), r.ContentLength, 10), '\r', '\n')
	}
	b = append(b, '\r', '\n')
	if r.ContentLength == 0 {
		return b, nil
	}
	head := len(b)
	b = append(b, make([]byte, r.ContentLength)...)
	if _, err := io.ReadFull(r.Body, b[head:]); err != nil {
		return nil, fmt.Errorf("%w: the body: %w", ErrMalformed, err)
	}
	return b, r.Body.Close() // an error of the caller's own body, as it is
}

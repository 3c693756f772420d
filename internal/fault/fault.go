// Package fault is the vocabulary of errors that cross Meridian's rooms: a kind that callers branch on, a
// machine-readable reason, and a sentence that tells a person what to do. One function maps them to Connect.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind says what a caller may conclude from an error.
type Kind int

// The kinds, with what each promises about the request's effects.
const (
	Internal           Kind = iota // a defect here; effects unknown
	Invalid                        // the request can never succeed; nothing happened
	NotFound                       // nothing happened
	Exists                         // what was to be created is there already
	Unauthenticated                // no or bad credentials
	Denied                         // credentials do not allow it
	FailedPrecondition             // the state does not allow it now
	Aborted                        // lost a race; read again and retry
	Mismatch                       // an idempotency key was used before with another request (HTTP 422)
	Exhausted                      // over a limit; retry after a while
	Unavailable                    // not done; retry after a while
	Ambiguous                      // may or may not have been done; retry with the same idempotency key
)

// Error is an error of a known kind. It is immutable after it was made.
type Error struct {
	Kind       Kind
	Reason     string            // UPPER_SNAKE, stable, unique within the domain (AIP-193)
	Message    string            // a sentence for people
	Metadata   map[string]string // values that the reason is about
	RetryAfter time.Duration     // 0: no advice
	Err        error             // the cause, or nil; never shown to callers
}

// New returns an error of that kind. The message is formatted as by fmt.Sprintf; %w is not for it: see Wrap.
func New(kind Kind, reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of that kind whose cause is err.
func Wrap(err error, kind Kind, reason, format string, args ...any) *Error {
	e := New(kind, reason, format, args...)
	e.Err = err
	return e
}

// With returns a copy of e that carries one more value.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Metadata = make(map[string]string, len(e.Metadata)+1)
	maps.Copy(c.Metadata, e.Metadata)
	c.Metadata[key] = value
	return &c
}

// After returns a copy of e that advises to retry after d.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Reason + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether err's chain has an Error of that kind.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// Reason returns the reason of the first Error in err's chain, or "".
func Reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

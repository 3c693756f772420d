package consistency

import (
	"context"
	"sync"
)

type sessionKey struct{}

// Session is what one request asks to see, and what it writes. It is safe for concurrent use.
type Session struct {
	asked Marks

	mu      sync.Mutex
	written Marks
}

// Begin returns a context whose reads are to see the marks, and whose writes are noted.
func Begin(ctx context.Context, asked Marks) (context.Context, *Session) {
	s := &Session{asked: asked}
	return context.WithValue(ctx, sessionKey{}, s), s
}

// Wrote notes that something was committed at a version. Outside of a session it does nothing.
func Wrote(ctx context.Context, kind, name string, version int64) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = s.written.With(kind, name, version)
}

// Least returns the least version of something that a read for this context may return: 0 for any, as outside of a
// session.
func Least(ctx context.Context, kind, name string) int64 {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	if !ok {
		return 0
	}
	return s.asked.Least(kind, name)
}

// Next returns the marks for the caller's next requests, and whether they are other than those that it brought: what
// it asked to see, and what was written.
func (s *Session) Next() (Marks, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.written.least) == 0 {
		return s.asked, false
	}
	return s.asked.And(s.written), true
}

package httpapi

import (
	"net/http"
	"time"
)

// untilTaken gives answers over HTTP/2 what Patient gives connections: a caller that shuts its window takes nothing of an
// answer although its connection goes on, and would hold the request, and what answers it, for as long as it likes.
func untilTaken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken := &takenWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		// Most answers are over soon, and end by the server's own WriteTimeout. Setting a deadline is a message to the
		// connection's goroutine, so only those that take longer get theirs.
		soon := taken.later(soonAfter, time.Time{})
		if r.ProtoMajor < 2 {
			defer soon()
			next.ServeHTTP(w, r)
			return
		}
		defer func() {
			if !soon() {
				_ = taken.control.SetWriteDeadline(time.Now().Add(stuckAfter)) // of what the server still has to send by itself
			}
		}()
		next.ServeHTTP(taken, r)
	})
}

// takenWriter resets its stream once a step of the answer was not taken for half a minute. Only what waits for the caller
// counts: between steps a stream may have nothing to say for hours, or its stack be slow.
type takenWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// later sets the deadline of writes after a while, unless stop comes before, and reports whether it did. The timer must not
// touch an answer whose handler is over.
func (w *takenWriter) later(after time.Duration, by time.Time) (stop func() bool) {
	over := make(chan struct{})
	timer := time.AfterFunc(after, func() {
		defer close(over)
		_ = w.control.SetWriteDeadline(by) // an answer that has none is a test's
	})
	return func() bool {
		if timer.Stop() {
			return true
		}
		<-over
		return false
	}
}

// within ends a step that takes too long.
func (w *takenWriter) within(step func() error) error {
	defer w.later(stuckAfter, time.Unix(1, 0))() // also when the step panics; the deadline is long past
	return step()
}

// Write implements http.ResponseWriter.
func (w *takenWriter) Write(b []byte) (written int, err error) {
	for {
		err = w.within(func() error {
			n, err := w.ResponseWriter.Write(b[written:min(len(b), written+writeStep)])
			written += n
			return err // a writer's own contract
		})
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

// FlushError implements what http.ResponseController looks for.
func (w *takenWriter) FlushError() error { return w.within(w.control.Flush) }

// Flush implements http.Flusher.
func (w *takenWriter) Flush() { _ = w.FlushError() } // who must know asks FlushError

// Unwrap lets http.ResponseController reach the connection.
func (w *takenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package httpapi

import (
	"net/http"
	"time"
)

// untilTaken gives answers over HTTP/2 what Patient gives connections: a caller that shuts its window takes nothing of an
// answer although its connection goes on, and would hold the request, and what answers it, for as long as it likes.
func untilTaken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		taken := &takenWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		next.ServeHTTP(taken, r)
		// What is still to be sent now, the server sends by itself.
		taken.arm(time.Now())
	})
}

// takenWriter resets its stream once it has taken nothing for half a minute while something was to be written.
type takenWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	armed   time.Time // the deadline that is set; zero: none
}

// arm moves the deadline on, in leaps: setting one is a message to the connection's own goroutine.
func (w *takenWriter) arm(now time.Time) {
	if w.armed.Sub(now) >= stuckAfter*3/4 {
		return
	}
	w.armed = now.Add(stuckAfter)
	_ = w.control.SetWriteDeadline(w.armed) // an answer that has none is a test's
}

// rest lifts the deadline: a stream may have nothing to say for hours.
func (w *takenWriter) rest() {
	w.armed = time.Time{}
	_ = w.control.SetWriteDeadline(w.armed) // as above
}

// Write implements http.ResponseWriter.
func (w *takenWriter) Write(b []byte) (int, error) {
	written := 0
	for {
		w.arm(time.Now())
		n, err := w.ResponseWriter.Write(b[written:min(len(b), written+writeStep)])
		if written += n; err != nil || written == len(b) {
			return written, err // a writer's own contract
		}
	}
}

// FlushError implements what http.ResponseController looks for.
func (w *takenWriter) FlushError() error {
	w.arm(time.Now())
	err := w.control.Flush()
	w.rest()
	return err // a flusher's own contract
}

// Flush implements http.Flusher.
func (w *takenWriter) Flush() { _ = w.FlushError() } // who must know asks FlushError

// Unwrap lets http.ResponseController reach the connection.
func (w *takenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
